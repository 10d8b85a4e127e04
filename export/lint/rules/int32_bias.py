"""TensorRT wants biases in float."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import TENSORRT, Fault, Rule
from edgeneuro.export.lint.view import View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for item in view.dequantizers.values():
        if item.kind == "INT32":
            yield Fault(
                where=named(item.node),
                got="dequantises an INT32 bias",
                expected="a bias in float",
                remedy="rewrite it for this target with --fix, or quantise with QuantizeBias=False",
            )


RULE = Rule(
    id="int32-bias",
    title="No INT32 bias",
    reason=(
        "TensorRT's parser refuses DequantizeLinear of INT32 (must have type FP8, FP4, Int4, Int8, or UInt8). ONNX "
        "Runtime's static quantiser writes one for every bias."
    ),
    source="TensorRT ONNX parser, DequantizeLinear; onnxruntime.quantization, extra option QuantizeBias",
    targets=TENSORRT,
    check=check,
    refused_by=TENSORRT,
)
