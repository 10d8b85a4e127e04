"""How times are taken: candidates interleaved in one run, warmed up first, compared round by round.

The same candidate varies by tens of percent within minutes on a shared machine; what is compared must therefore run
in the same rounds. The order within a round is drawn anew each time, so that no candidate always follows another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.errors import UsageError

Floats = NDArray[np.float64]
Track = Callable[[Sequence[int]], Iterable[int]]


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    """Of one time over all rounds, ms."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Of two candidates' times in the same round: below 1, the first is faster. p10 to p90 is its spread."""

    p10: float
    p50: float
    p90: float


def interleave(
    candidates: Mapping[str, Callable[[int], Mapping[str, float]]],
    *,
    rounds: int,
    warm_up: int,
    rng: np.random.Generator,
    track: Track = iter,
) -> dict[str, dict[str, Floats]]:
    """candidate -> step -> (round,) times.

    candidates: each takes the number of the round and returns its times by step. warm_up: rounds run before and not
    counted. Raises UsageError for fewer than one round.
    """
    if rounds < 1 or warm_up < 0:
        raise UsageError(f"rounds: got {rounds} after {warm_up} of warm-up, expected at least 1 after at least 0")
    names = list(candidates)
    times: dict[str, list[Mapping[str, float]]] = {name: [] for name in names}
    for number in track(range(-warm_up, rounds)):
        for i in rng.permutation(len(names)):
            taken = candidates[names[i]](number % rounds)
            if number >= 0:
                times[names[i]].append(taken)
    return {name: {step: np.array([row[step] for row in rows]) for step in rows[0]} for name, rows in times.items()}


def quantiles(times: Floats) -> Quantiles:
    """times: (round,) ms."""
    p50, p90, p99 = np.percentile(times, (50, 90, 99))
    return Quantiles(p50=float(p50), p90=float(p90), p99=float(p99))


def ratio(times: Floats, reference: Floats) -> Ratio:
    """times, reference: (round,), of the same rounds."""
    p10, p50, p90 = np.percentile(times / reference, (10, 50, 90))
    return Ratio(p10=float(p10), p50=float(p50), p90=float(p90))


def load_average() -> float | None:
    """Processes that wanted to run, mean over the last minute: how idle the machine was. None where unknown."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None
