"""ONNX Runtime: a quantised convolution quantises its output too."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import ONNXRUNTIME, Fault, Rule
from edgeneuro.export.lint.kernels import quantized_inputs
from edgeneuro.export.lint.view import View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for layer in view.layers:
        if layer.op_type == "Conv" and quantized_inputs(layer, view, form) and not view.output_quantizers(layer):
            yield Fault(
                where=named(layer),
                got=f"has quantised inputs, but gives {layer.output[0]!r} in float",
                expected="Q/DQ behind it as well (behind its Relu or Clip, where that is its only reader)",
                remedy="calibrate its output, or leave it in float; --fix takes the range from the graph where it can",
                severity="warning",
            )


RULE = Rule(
    id="open-output",
    title="A quantised convolution has Q/DQ on its output",
    reason=(
        "ONNX Runtime makes QLinearConv of DQ, Conv, Q. Without the Q it computes in float between conversions, slower "
        "than float. NNCF leaves it out where the reader is not quantised."
    ),
    source="onnxruntime, core/optimizer/qdq_transformer; onnxruntime.ai, Quantize ONNX Models",
    targets=ONNXRUNTIME,
    check=check,
)
