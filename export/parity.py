"""Whether a runtime computes what its graph says: the same file can give other numbers in another library."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.outputs import relative_error, stacked_outputs
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Feed

LIMIT = 1.5
"""Of the error that the Q/DQ pairs alone bring. Kernels round some sums differently, which changes the error by a few
percent; the faults seen in practice change it by a factor of ten or more."""
NEGLIGIBLE = 1e-3
"""Relative error below which nothing is compared: float sums in another order."""


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
