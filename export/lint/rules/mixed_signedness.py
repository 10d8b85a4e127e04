"""ONNX Runtime: one integer type into and out of a convolution."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import ONNXRUNTIME, Fault, Rule
from edgeneuro.export.lint.kernels import quantized_inputs
from edgeneuro.export.lint.view import View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for layer in view.layers:
        read = view.activation(layer.input[0])
        if layer.op_type != "Conv" or read is None or not quantized_inputs(layer, view, form):
            continue
        other = [item.kind for item in view.output_quantizers(layer) if item.kind != read.dequantize.kind]
        if other:
            yield Fault(
                where=named(layer),
                got=f"reads {read.dequantize.kind} and gives {other[0]}",
                expected="one of the two on both sides",
                remedy="quantise all activations to one type, as --fix does",
                severity="warning",
            )


RULE = Rule(
    id="mixed-signedness",
    title="A convolution reads and gives one integer type",
    reason=(
        "ONNX Runtime fuses a convolution only when both sides have one type; UINT8 in and INT8 out, as NNCF writes, "
        "leaves it in float. On x86, release 1.31 turns some INT8 tensors into UINT8 itself, but not all: count "
        "QLinearConv in its optimised graph."
    ),
    source="onnxruntime, core/optimizer/qdq_transformer/selectors_actions (ConvNodeGroupSelector)",
    targets=ONNXRUNTIME,
    check=check,
)
