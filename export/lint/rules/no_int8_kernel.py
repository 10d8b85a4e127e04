"""Layers without an INT8 kernel stay in float."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import EVERY, Fault, Rule
from edgeneuro.export.lint.kernels import missing_kernel
from edgeneuro.export.lint.view import View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for layer in view.layers:
        read = view.weight(layer)
        if read is None or view.activation(layer.input[0]) is None:
            continue
        problem = missing_kernel(layer, view.constants[read.source], form)
        if problem is not None:
            yield Fault(
                where=named(layer),
                got=f"is quantised: {problem}",
                expected="a layer that has an INT8 kernel",
                remedy="leave it in float, as --fix does",
                severity="warning",
            )


RULE = Rule(
    id="no-int8-kernel",
    title="Layers without a good INT8 kernel stay in float",
    reason=(
        "Where there is no INT8 kernel the runtime dequantises, computes in float and quantises again: slower than "
        "float. TensorRT: fewer than 16 channels, depthwise but for 8 n channels and sides of 3. ONNX Runtime: "
        "transposed convolutions."
    ),
    source="ModelOpt, modelopt/onnx/quantization/graph_utils.py; onnxruntime, list of quantised operators",
    targets=EVERY,
    check=check,
)
