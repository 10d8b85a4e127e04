"""x86 without VNNI: weights of 7 bits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeneuro.export.forms import FORMS, Form
from edgeneuro.export.lint.finding import OPENVINO, X86, Fault, Rule
from edgeneuro.export.lint.view import View, named

SAFE = 64
"""Largest magnitude of weights whose products with UINT8, two added, fit 16 bits: 2 x 255 x 64 = 32640."""


def check(view: View, form: Form) -> Iterator[Fault]:
    for layer in view.layers:
        read = view.weight(layer)
        if read is None or view.activation(layer.input[0]) is None:
            continue
        steps = view.steps(read)
        largest = 0 if steps is None else int(np.abs(steps).max(initial=0))
        if largest > SAFE:
            yield Fault(
                where=named(layer),
                got=f"has weights up to {largest} steps",
                expected=f"at most {SAFE}, so that two products fit 16 bits",
                remedy="quantise with reduce_range, or rewrite it for this target with --fix",
                severity="warning",
            )


RULE = Rule(
    id="weight-saturation",
    title="Weights of 7 bits on x86 without VNNI",
    reason=(
        "Without VNNI the processor adds two UINT8 x INT8 products in 16 bits, which saturate beyond 2 x 255 x 64: for "
        "some inputs the sums are wrong."
    ),
    source="onnxruntime.ai, Quantize ONNX Models (reduce_range); NNCF, OverflowFix; of OpenVINO measured, tests/export/test_saturation.py",
    targets=tuple(name for name in (*X86, *OPENVINO) if "vnni" not in FORMS[name].requires),
    check=check,
)
