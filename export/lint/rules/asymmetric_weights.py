"""Weights have zero point 0."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import EVERY, TENSORRT, Fault, Rule
from edgeneuro.export.lint.view import View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for layer in view.layers:
        read = view.weight(layer)
        if read is None or not (read.dequantize.shifted or read.dequantize.kind == "UINT8"):
            continue
        yield Fault(
            where=named(layer),
            got=f"has {read.dequantize.kind} weights" + (" with a zero point" if read.dequantize.shifted else ""),
            expected="INT8 weights with zero point 0",
            remedy="quantise with symmetric signed weights; --fix rounds them again",
            severity="error" if form.backend == "tensorrt" else "warning",
        )


RULE = Rule(
    id="asymmetric-weights",
    title="Weights are symmetric INT8",
    reason=(
        "A zero point of the weights adds a sum over the inputs to every output. TensorRT refuses it; ONNX Runtime and "
        "OpenVINO compute it on slower paths."
    ),
    source="TensorRT documentation, Working with Quantized Types; onnxruntime.ai, Quantize ONNX Models",
    targets=EVERY,
    check=check,
    refused_by=TENSORRT,
)
