"""Scales are positive constants."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeneuro.export.forms import Form
from edgeneuro.export.lint.finding import EVERY, TENSORRT, Fault, Rule
from edgeneuro.export.lint.view import Quantizer, View, named


def check(view: View, form: Form) -> Iterator[Fault]:
    for item in (*view.quantizers.values(), *view.dequantizers.values()):
        problem = _problem(item)
        if problem is not None:
            yield Fault(
                where=named(item.node),
                got=problem,
                expected="one positive, finite scale and zero point for each channel, stored in the file",
                remedy="export it again with fixed ranges; --fix leaves the layers around it in float",
            )


def _problem(item: Quantizer) -> str | None:
    if item.scale is None:
        return f"the scale {item.node.input[1]!r} is computed while the network runs"
    if item.zero_point is None:
        return f"the zero point {item.node.input[2]!r} is computed while the network runs"
    bad = item.scale[~(np.isfinite(item.scale.astype(np.float64)) & (item.scale > 0))]
    if bad.size:
        return f"a scale is {bad[0]}"
    if item.scale.size != item.zero_point.size:
        return f"there are {item.scale.size} scales for {item.zero_point.size} zero points"
    return None


RULE = Rule(
    id="bad-scales",
    title="Scales are positive constants, as many as zero points",
    reason=(
        "A scale that is zero, negative or not a number maps every value to nothing; one computed at run time keeps a "
        "runtime from choosing an INT8 kernel, and TensorRT refuses it."
    ),
    source="ONNX operator QuantizeLinear; TensorRT documentation, Working with Quantized Types",
    targets=EVERY,
    check=check,
    refused_by=TENSORRT,
)
