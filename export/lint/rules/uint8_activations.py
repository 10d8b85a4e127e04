"""TensorRT reads UINT8 as INT8."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import TENSORRT, Fault, Rule
from edgeneuro.export.lint.view import View


def check(view: View, form: Form) -> Iterator[Fault]:
    for read in view.activations:
        item = read.quantize or read.dequantize
        if item.kind == "UINT8" and not item.shifted:
            yield Fault(
                where=f"tensor {read.source!r}",
                got="is UINT8 with zero point 0, which TensorRT reads as INT8: all beyond half the range is cut off",
                expected="INT8 with zero point 0 and scale x 255/127",
                remedy="rewrite it for this target with --fix",
            )


RULE = Rule(
    id="uint8-activations",
    title="No UINT8 activations",
    reason=(
        "TensorRT takes a UINT8 zero point for INT8 and says so in a warning only. The scale was made for 0..255, the "
        "values saturate at 127: the engine builds, runs and is wrong. NNCF writes such tensors after each ReLU."
    ),
    source='TensorRT ONNX parser, warning "Defaulting to INT8 instead"; NNCF 3.4, default activation quantisers',
    targets=TENSORRT,
    check=check,
)
