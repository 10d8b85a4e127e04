"""Ranges of tensors by running a graph that has them as outputs."""

from __future__ import annotations

from collections.abc import Iterable

from edgeneuro.calibration.ranges import Range
from edgeneuro.runtime.backends import Backend
from edgeneuro.spec import Feed


def min_max_ranges(backend: Backend, feeds: Iterable[Feed]) -> dict[str, Range]:
    """Smallest and largest value of every output of `backend` over all feeds, whatever their size and order.

    Returns output name -> range; empty when there is no feed.
    """
    found: dict[str, Range] = {}
    for feed in feeds:
        for tensor, values in backend.run(feed).items():
            seen = Range(float(values.min()), float(values.max()))
            found[tensor] = found[tensor].union(seen) if tensor in found else seen
    return found
