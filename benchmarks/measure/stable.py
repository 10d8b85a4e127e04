"""Warm-up: rounds until every candidate takes as long as it did a moment ago.

Caches, the allocator, a library's choice of kernels and the processor's clock settle within the first runs, in how many
differs from one candidate to the next. As in Georges et al. 2007 (doi 10.1145/1297027.1297033) a window of the last rounds
decides, not a fixed number; here two windows, so that a slow drift is seen as well. Some programs never settle (Barrett
et al. 2017, doi 10.1145/3133876): hence the limits, and the names of those that had not settled by then.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeneuro.benchmarks.protocol import Candidate, one_round
from edgeneuro.errors import UsageError

WINDOW = 10
"""Rounds in each of the two windows; half of the rounds where there were fewer than twenty."""
LEAST_WINDOW = 5
CHANGE = 0.02
"""Of the median from one window to the next, too small to matter."""


@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """rounds: run, of every candidate. stable, unstable: names of candidates."""

    rounds: int
    stable: tuple[str, ...]
    unstable: tuple[str, ...]


def warm_up(
    candidates: Mapping[str, Candidate],
    *,
    rng: np.random.Generator,
    least_rounds: int,
    limit_rounds: int,
    limit_s: float,
) -> WarmUp:
    """Run all candidates in every round, in an order drawn anew, until all are stable or a limit is reached.

    limit_s: seconds after which no further round starts; so many as two windows need are run in any case. A candidate is
    stable when each of its steps is (`is_stable`). Raises UsageError where `limit_rounds` is too few to tell, or below
    `least_rounds`.
    """
    least = max(least_rounds, 2 * LEAST_WINDOW)
    if limit_rounds < least:
        raise UsageError(f"warm-up: got a limit of {limit_rounds} rounds, expected at least {least}")
    taken: dict[str, list[Mapping[str, float]]] = {name: [] for name in candidates}
    started = time.perf_counter()
    for rounds in range(1, limit_rounds + 1):
        for name, row in one_round(candidates, rounds - 1, rng).items():
            taken[name].append(row)
        late = time.perf_counter() - started >= limit_s and rounds >= 2 * LEAST_WINDOW
        if rounds < least and not late:
            continue
        stable = tuple(name for name in candidates if _all_stable(taken[name]))
        if late or rounds == limit_rounds or len(stable) == len(candidates):
            break
    return WarmUp(rounds=rounds, stable=stable, unstable=tuple(name for name in candidates if name not in stable))


def _all_stable(rows: Sequence[Mapping[str, float]]) -> bool:
    recent = rows[-2 * WINDOW :]
    return all(is_stable([row[step] for row in recent]) for step in rows[0])


def is_stable(times: Sequence[float]) -> bool:
    """Whether the last window is like the one before: medians within CHANGE of each other, or each within the range of the
    other window, so that noise alone explains the difference.

    Both ways, because a window that holds the end of the warm-up ranges over both of its levels.
    """
    window = min(WINDOW, len(times) // 2)
    if window < LEAST_WINDOW:
        return False
    before, last = times[-2 * window : -window], times[-window:]
    was, now = statistics.median(before), statistics.median(last)
    inside = min(last) <= was <= max(last) and min(before) <= now <= max(before)
    return inside or abs(now - was) <= CHANGE * was
