"""Ranges of tensors by running a graph that has them as outputs."""

from __future__ import annotations

from collections.abc import Iterable

from edgeneuro.calibration.ranges import Range
from edgeneuro.runtime.backends import Backend
from edgeneuro.spec import Float32


def min_max_ranges(backend: Backend, batches: Iterable[Float32]) -> dict[str, Range]:
    """Smallest and largest value of every output of `backend` over all batches, whatever their size and order.

    batches: each (batch, channel, height, width). Returns output name -> range; empty when there is no batch.
    """
    name = backend.inputs[0].name
    found: dict[str, Range] = {}
    for batch in batches:
        for tensor, values in backend.run({name: batch}).items():
            seen = Range(float(values.min()), float(values.max()))
            found[tensor] = found[tensor].union(seen) if tensor in found else seen
    return found
