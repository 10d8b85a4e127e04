"""TensorRT knows no zero point but zero."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import TENSORRT, Fault, Rule
from edgeneuro.export.lint.view import Quantizer, View


def check(view: View, form: Form) -> Iterator[Fault]:
    for read in view.activations:
        item = read.quantize or read.dequantize
        if item.shifted:
            yield Fault(
                where=f"tensor {read.source!r}",
                got=f"has {item.kind} zero point {_shown(item)}",
                expected="zero point 0",
                remedy="rewrite it for this target with --fix, or quantise with symmetric activations",
            )


def _shown(item: Quantizer) -> str:
    values = [] if item.zero_point is None else [int(value) for value in item.zero_point]
    return str(values[0]) if len(values) == 1 else f"{min(values)}..{max(values)}"


RULE = Rule(
    id="nonzero-zero-point",
    title="Activations are symmetric: zero point 0",
    reason="TensorRT's kernels have no zero point; its parser refuses any other (Non-zero zero point is not supported).",
    source="TensorRT documentation, Working with Quantized Types; TensorRT ONNX parser, shiftIsAllZeros",
    targets=TENSORRT,
    check=check,
    refused_by=TENSORRT,
)
