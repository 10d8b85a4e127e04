"""Activations have one scale a tensor."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import ONNXRUNTIME, TENSORRT, Fault, Rule
from edgeneuro.export.lint.view import View


def check(view: View, form: Form) -> Iterator[Fault]:
    for read in view.activations:
        item = read.quantize or read.dequantize
        if item.per_channel and item.scale is not None:
            yield Fault(
                where=f"tensor {read.source!r}",
                got=f"is quantised with {item.scale.size} scales, one a channel",
                expected="one scale for the tensor",
                remedy="quantise with per_channel=False for activations; --fix joins them to one that covers all",
            )


RULE = Rule(
    id="per-channel-activations",
    title="Activations are quantised per tensor",
    reason=(
        "QLinearConv takes a scalar input scale: ONNX Runtime loads such a file and fails when it runs. TensorRT builds "
        "it, but not as a fused INT8 convolution. NNCF writes it on depthwise convolutions."
    ),
    source="microsoft/onnxruntime pull request 5510; TensorRT documentation, Explicit Quantization",
    targets=(*ONNXRUNTIME, *TENSORRT),
    check=check,
)
