"""Statistics of tensors by running a graph that has them as outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from edgeneuro.calibration.observer import Extremes, Statistics
from edgeneuro.errors import DataError, ShapeError
from edgeneuro.runtime.backends import Backend
from edgeneuro.spec import Array, Feed

Track = Callable[[Iterable[Feed]], Iterable[Feed]]
"""Wraps what is gone through, to show progress."""


def collect_statistics(
    backend: Backend, feeds: Sequence[Feed], *, track: Track = lambda feeds: feeds
) -> dict[str, Statistics]:
    """Statistics of every output of `backend` over all feeds, whatever their size and order.

    Goes through `feeds` twice. Returns output name -> statistics. Raises DataError when there is no feed, ShapeError
    for feeds of several frames whose outputs are not, InputError for values that are not finite.
    """
    if not feeds:
        raise DataError("calibration: got no frames, expected at least one; name a folder with --calibration")
    extremes = {spec.name: Extremes(spec.name) for spec in backend.outputs}
    for name, values in _values(backend, track(feeds)):
        extremes[name].add(values)
    counters = {name: found.counter() for name, found in extremes.items()}
    for name, values in _values(backend, track(feeds)):
        counters[name].add(values)
    return {name: counter.statistics() for name, counter in counters.items()}


def _values(backend: Backend, feeds: Iterable[Feed]) -> Iterator[tuple[str, Array]]:
    """(frame, value) of every output for every feed. An output of one frame need not have a batch axis."""
    for feed in feeds:
        frames = len(next(iter(feed.values())))
        for name, values in backend.run(feed).items():
            if frames > 1 and (values.ndim == 0 or len(values) != frames):
                raise ShapeError(
                    f"tensor {name!r}: has shape {values.shape} for {frames} frames, expected one row a frame; "
                    "give frames one at a time"
                )
            yield name, values.reshape(frames, -1)
