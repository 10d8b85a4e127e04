"""Statistics of tensors by running a graph that has them as outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeneuro.calibration.observer import Extremes, Statistics
from edgeneuro.errors import DataError, ShapeError
from edgeneuro.runtime.backends import Backend
from edgeneuro.spec import Array, Feed

Track = Callable[[Sequence[Feed]], Iterable[Feed]]
"""Wraps what is gone through, to show progress."""


def collect_statistics(
    backend: Backend, feeds: Sequence[Feed], *, track: Track = lambda feeds: feeds
) -> dict[str, Statistics]:
    """Statistics of every output of `backend` over all feeds, whatever their size and order.

    Goes through `feeds` twice. Returns output name -> statistics. Raises DataError when there is no feed, ShapeError
    for feeds of several frames whose outputs are not, InputError for values that are not finite.
    """
    _check(feeds)
    extremes = {spec.name: Extremes(spec.name) for spec in backend.outputs}
    for name, values in _values(backend, track(feeds)):
        extremes[name].add(values)
    counters = {name: found.counter() for name, found in extremes.items()}
    for name, values in _values(backend, track(feeds)):
        counters[name].add(values)
    return {name: counter.statistics() for name, counter in counters.items()}


def collect_means(
    backend: Backend, feeds: Sequence[Feed], *, track: Track = lambda feeds: feeds
) -> dict[str, NDArray[np.float64]]:
    """Mean of every channel of every output of `backend` over all feeds, whatever their size and order.

    Outputs are (frame, channel, ...); what is kept of a frame is one float a channel. Returns output name ->
    (channel,). Raises as `collect_statistics` does.
    """
    _check(feeds)
    rows: dict[str, list[NDArray[np.float64]]] = {spec.name: [] for spec in backend.outputs}
    for name, values in _values(backend, track(feeds)):
        rows[name].append(values.reshape(*values.shape[:2], -1).mean(axis=2, dtype=np.float64))
    return {name: np.sort(np.concatenate(found), axis=0).mean(axis=0) for name, found in rows.items()}


def _check(feeds: Sequence[Feed]) -> None:
    if not feeds:
        raise DataError("calibration: got no frames, expected at least one; name a folder with --calibration")


def _values(backend: Backend, feeds: Iterable[Feed]) -> Iterator[tuple[str, Array]]:
    """(frame, ...) of every output for every feed. An output of one frame without a batch axis gets one."""
    for feed in feeds:
        frames = len(next(iter(feed.values())))
        for name, values in backend.run(feed).items():
            fits = values.ndim > 0 and len(values) == frames
            if frames > 1 and not fits:
                raise ShapeError(
                    f"tensor {name!r}: has shape {values.shape} for {frames} frames, expected one row a frame; "
                    "give frames one at a time"
                )
            yield name, values if fits else values[None]
