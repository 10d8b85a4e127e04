"""Only 8-bit integers (32 for a bias)."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import EVERY, TENSORRT, Fault, Rule
from edgeneuro.export.lint.view import View, named

KINDS = ("INT8", "UINT8", "INT32")


def check(view: View, form: Form) -> Iterator[Fault]:
    for item in (*view.quantizers.values(), *view.dequantizers.values()):
        if item.kind not in KINDS:
            yield Fault(
                where=named(item.node),
                got=f"quantises to {item.kind}",
                expected="INT8 or UINT8",
                remedy="quantise the float model to 8 bits; --fix does not change the number of bits",
            )


RULE = Rule(
    id="eight-bits",
    title="Only 8-bit integers",
    reason=(
        "FP8 fails in ONNX Runtime's CPU kernels, 16-bit integers are refused by TensorRT, and packed 4-bit weights "
        "have no convolution kernel on either; INT8 is what all targets share."
    ),
    source="TensorRT documentation, Working with Quantized Types; onnxruntime.ai, Quantize ONNX Models",
    targets=EVERY,
    check=check,
    refused_by=TENSORRT,
)
