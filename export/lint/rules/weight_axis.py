"""Weight scales belong to output channels."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import EVERY, Fault, Rule
from edgeneuro.export.lint.view import View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for layer in view.layers:
        read = view.weight(layer)
        if read is None or not read.dequantize.per_channel:
            continue
        rank = view.constants[read.source].ndim
        wanted = view.weight_axis(layer)
        found = read.dequantize.axis % rank
        if found != wanted:
            yield Fault(
                where=named(layer),
                got=f"has a weight scale for each index of axis {found}",
                expected=f"one for each output channel, axis {wanted}",
                remedy="quantise with per-channel weights along the output channels; --fix rounds them again",
            )


RULE = Rule(
    id="weight-axis",
    title="Per-channel weight scales follow the output channels",
    reason=(
        "An INT8 kernel scales the sum of an output channel once; scales along another axis cannot be taken out of that "
        "sum. ONNX Runtime 1.31 fuses such a layer all the same and gives each output channel the wrong scale."
    ),
    source="TensorRT documentation, Working with Quantized Types; ONNX operator QLinearConv",
    targets=EVERY,
    check=check,
)
