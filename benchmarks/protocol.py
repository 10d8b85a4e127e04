"""How times are taken: candidates interleaved in one run, warmed up first, compared round by round.

The same candidate varies by tens of percent within minutes on a shared machine; what is compared must therefore run
in the same rounds. The order within a round is drawn anew each time, so that no candidate always follows another.
The whole protocol, with its reasons: docs/benchmark-protocol.md.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.document import Ratio
from edgeneuro.benchmarks.measure.quantiles import interval, nearest_rank
from edgeneuro.errors import UsageError

Floats = NDArray[np.float64]
Candidate = Callable[[int], Mapping[str, float]]
"""Takes the number of the round and returns its times, ms by step."""
Track = Callable[[Sequence[int]], Iterable[int]]


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    """Of one time over all rounds, ms."""

    p50: float
    p90: float
    p99: float


def interleave(
    candidates: Mapping[str, Candidate],
    *,
    rounds: int,
    warm_up: int,
    rng: np.random.Generator,
    track: Track = iter,
    budget_s: float | None = None,
    least_rounds: int = 1,
) -> dict[str, dict[str, Floats]]:
    """candidate -> step -> (round,) times.

    warm_up: rounds run before and not counted. budget_s: after so many seconds of counted rounds no further one starts,
    but `least_rounds` are run in any case. Raises UsageError for fewer than one round.
    """
    if rounds < 1 or warm_up < 0:
        raise UsageError(f"rounds: got {rounds} after {warm_up} of warm-up, expected at least 1 after at least 0")
    times: dict[str, list[Mapping[str, float]]] = {name: [] for name in candidates}
    started = time.perf_counter()
    for number in track(range(-warm_up, rounds)):
        if number == 0:
            started = time.perf_counter()
        if budget_s is not None and number >= max(least_rounds, 1) and time.perf_counter() - started >= budget_s:
            break
        taken = one_round(candidates, number % rounds, rng)
        if number >= 0:
            for name, row in taken.items():
                times[name].append(row)
    return {name: {step: np.array([row[step] for row in rows]) for step in rows[0]} for name, rows in times.items()}


def one_round(
    candidates: Mapping[str, Candidate], number: int, rng: np.random.Generator
) -> dict[str, Mapping[str, float]]:
    """Every candidate once, in an order drawn anew; candidate -> its times."""
    names = list(candidates)
    return {names[i]: candidates[names[i]](number) for i in rng.permutation(len(names))}


def quantiles(times: Floats) -> Quantiles:
    """times: (round,) ms."""
    p50, p90, p99 = np.percentile(times, (50, 90, 99))
    return Quantiles(p50=float(p50), p90=float(p90), p99=float(p99))


def ratio(times: Floats, reference: Floats) -> Ratio:
    """times, reference: (round,), of the same rounds.

    Where the rounds are too few to bound the median with 95 %, low or high is the smallest or largest ratio seen.
    """
    ratios = times / reference
    low, high = interval(ratios, 50.0)
    p10, p50, p90 = (nearest_rank(ratios, percentile) for percentile in (10.0, 50.0, 90.0))
    return Ratio(
        p10=p10,
        p50=p50,
        p90=p90,
        low=float(ratios.min()) if low is None else low,
        high=float(ratios.max()) if high is None else high,
    )


def load_average() -> float | None:
    """Processes that wanted to run, mean over the last minute: how idle the machine was. None where unknown."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None
