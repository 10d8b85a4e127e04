"""ONNX Runtime: what a quantised convolution reads was quantised after it was joined."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import ONNXRUNTIME, Fault, Rule
from edgeneuro.export.lint.kernels import quantized_inputs
from edgeneuro.export.lint.view import View, named
from edgeneuro.export.quantizable import origin


def check(view: View, form: Form) -> Iterator[Fault]:
    for layer in view.layers:
        source = origin(layer.input[0], view.makers)
        maker = view.makers.get(source)
        if layer.op_type == "Conv" and maker is not None and maker.op_type == "Concat":
            if not quantized_inputs(layer, view, form):
                continue
            yield Fault(
                where=named(layer),
                got=f"reads {source!r}, of which only the parts were quantised before they were joined",
                expected="Q/DQ behind the Concat as well",
                remedy="write the same pair behind the Concat, as --fix does",
                severity="warning",
            )


RULE = Rule(
    id="open-input",
    title="A quantised convolution has Q/DQ behind the Concat it reads",
    reason=(
        "ONNX Runtime makes QLinearConv only where a DequantizeLinear feeds the convolution; it does not move one "
        "through a Concat. NNCF quantises what is joined, with one scale, and not the result."
    ),
    source="onnxruntime, core/optimizer/qdq_transformer; onnxruntime.ai, Quantize ONNX Models",
    targets=ONNXRUNTIME,
    check=check,
)
