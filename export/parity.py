"""Whether a runtime computes what its graph says: the same file can give other numbers in another library."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import onnx

from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.forms import Form
from edgeneuro.export.lower import lower
from edgeneuro.export.outputs import relative_error, stacked_outputs
from edgeneuro.export.plan import Plan
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Feed

LIMIT = 1.5
"""Of the error that the Q/DQ pairs alone bring. Kernels round some sums differently, which changes the error by a few
percent; the faults seen in practice change it by a factor of ten or more."""
NEGLIGIBLE = 1e-3
"""Relative error below which nothing is compared: float sums in another order."""


def exact_error(model: onnx.ModelProto, plan: Plan, form: Form, feeds: Sequence[Feed]) -> float:
    """What `plan` changes in the outputs on `form`, by exact Q/DQ arithmetic: relative_error against the float graph."""
    with (
        closing(open_backend("onnxruntime", model.SerializeToString(), threads=None)) as reference,
        closing(open_emulated(lower(model, plan, form))) as exact,
    ):
        return relative_error(stacked_outputs(exact, feeds), stacked_outputs(reference, feeds))


def parity_fault(
    model: bytes, lowered: bytes, backend: str, feeds: Sequence[Feed], *, threads: int | None
) -> str | None:
    """What is wrong with `lowered` on `backend`, in words; None where it computes what it says.

    model: the float graph. Its error against float is compared with the error of the same graph run exactly.
    """
    with (
        closing(open_backend("onnxruntime", model, threads=threads)) as reference,
        closing(open_emulated(lowered)) as exact,
        closing(open_backend(backend, lowered, threads=threads)) as own,
    ):
        expected = stacked_outputs(reference, feeds)
        due = relative_error(stacked_outputs(exact, feeds), expected)
        got = relative_error(stacked_outputs(own, feeds), expected)
    if got <= max(LIMIT * due, NEGLIGIBLE):
        return None
    return f"{backend} computes it with an error of {got:.3g}, exact Q/DQ arithmetic of {due:.3g}"
