"""Which of several loaded graphs is fastest on this machine, by turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from edgeneuro.runtime.backends import Backend
from edgeneuro.spec import Feed

Floats = NDArray[np.float64]

BUDGET_S = 3.0
"""Of all rounds together; no round is begun after it."""
LEAST_ROUNDS = 5
TURN_S = 0.04
LEAST_CALLS = 3
"""A turn is so long and has so many calls at least, of which the fastest counts. The first ones meet the caches and the
spinning threads of whoever was on before, several threads may share a core for tens of milliseconds until the system parts
them, and any call may be interrupted by another process."""
WAVES = 4
"""Frames a call, for each stream."""


def race(backends: Mapping[str, Backend], feeds: Sequence[Feed], *, streams: int) -> dict[str, Floats]:
    """Name -> (round,) milliseconds a frame, round by round the same for all.

    Interleaved, in an order drawn anew for each round, since a machine's speed varies within seconds. One round is run
    before and not counted. streams: as the backends were opened. Raises BackendError.
    """
    rng = np.random.default_rng(0)
    names = list(backends)
    rounds: list[dict[str, float]] = []
    _round(backends, names, feeds, streams)
    started = perf_counter()
    while len(rounds) < LEAST_ROUNDS or perf_counter() - started < BUDGET_S:
        order = [names[i] for i in rng.permutation(len(names))]
        rounds.append(_round(backends, order, feeds, streams))
    return {name: np.array([taken[name] for taken in rounds]) for name in names}


def slower_by(times: Floats, reference: Floats) -> tuple[float, float]:
    """times / reference of the same rounds: the lower and upper bound of its median, 95 %, from order statistics."""
    ratios = np.sort(times / reference)
    reach = 0.98 * np.sqrt(len(ratios))  # 1.96 standard deviations of a binomial count with p = 1/2
    low = max(int(np.floor(len(ratios) / 2 - reach)), 0)
    return float(ratios[low]), float(ratios[-1 - low])


def _round(
    backends: Mapping[str, Backend], order: Sequence[str], feeds: Sequence[Feed], streams: int
) -> dict[str, float]:
    return {name: _turn(backends[name], feeds, streams) for name in order}


def _turn(backend: Backend, feeds: Sequence[Feed], streams: int) -> float:
    """Milliseconds a frame, of the fastest call."""
    frames = 1 if streams == 1 else WAVES * streams
    times: list[float] = []
    started = perf_counter()
    while len(times) < LEAST_CALLS or perf_counter() - started < TURN_S:
        called = perf_counter()
        for _ in backend.run_many(islice(cycle(feeds), frames)):
            pass
        times.append(1e3 * (perf_counter() - called) / frames)
    return min(times)
