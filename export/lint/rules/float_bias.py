"""ONNX Runtime: the bias of a quantised convolution is INT32."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import ONNXRUNTIME, Fault, Rule
from edgeneuro.export.lint.kernels import quantized_inputs
from edgeneuro.export.lint.view import View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for layer in view.layers:
        bias = layer.input[2] if len(layer.input) > 2 else ""
        if layer.op_type == "Conv" and bias and bias not in view.reads and quantized_inputs(layer, view, form):
            yield Fault(
                where=named(layer),
                got=f"has its bias {bias!r} in float",
                expected="an INT32 bias with scale input x weight",
                remedy="write it so, as --fix does",
                severity="warning",
            )


RULE = Rule(
    id="float-bias",
    title="The bias of a quantised convolution is INT32",
    reason=(
        "QLinearConv takes an INT32 bias; a convolution with a float one is left in float unless the runtime rounds it "
        "first. ONNX Runtime 1.31 does (WeightBiasQuantization), but not in edgeneuro's own sessions, which keep to what "
        "the file says."
    ),
    source="ONNX operator QLinearConv; onnxruntime, core/optimizer/qdq_transformer",
    targets=ONNXRUNTIME,
    check=check,
)
