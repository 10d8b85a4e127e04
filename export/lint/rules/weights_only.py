"""Weights are quantised together with their layer's input."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import EVERY, Fault, Rule
from edgeneuro.export.lint.view import View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for layer in view.layers:
        if view.weight(layer) is not None and view.activation(layer.input[0]) is None:
            yield Fault(
                where=named(layer),
                got=f"has integer weights, but reads {layer.input[0]!r} in float",
                expected="both quantised, or neither",
                remedy="quantise the input as well; --fix leaves the layer in float",
                severity="warning",
            )


RULE = Rule(
    id="weights-only",
    title="Weights are quantised together with the input of their layer",
    reason="With one of the two in float the layer runs in float, and its weights are dequantised for it.",
    source="TensorRT documentation, Explicit Quantization; onnxruntime.ai, Quantize ONNX Models",
    targets=EVERY,
    check=check,
)
