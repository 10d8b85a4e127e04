"""Quantiles of times with 95 % intervals that assume no distribution, and allow for neighbours that resemble each other.

A quantile is the nearest rank: a time that was measured, never one between two. Its interval is bounded by two other
ranks, chosen by the binomial distribution (Hahn and Meeker, Statistical Intervals, 1991, chapter 5). That holds for
independent times. Times are not: a slow phase of the machine slows a whole stretch of queries. So the ranks are those of
as many independent times as the stretch is worth for this quantile: the count divided by the variance inflation of "slower
than the quantile", from its autocorrelations by Geyer's initial monotone sequence (Statistical Science 7, 1992, 473-483).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.document import Latency, Quantile
from edgeneuro.benchmarks.measure.binomial import Floats, unlikely
from edgeneuro.benchmarks.measure.early_stopping import claim_ms
from edgeneuro.errors import UsageError

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
SIDE = 0.025
"""Chance that the true quantile lies outside, on each side."""
LEAST_ABOVE = 10
"""From fewer times above a quantile one cannot see whether they come in bursts."""


def latency(times_ms: Floats) -> Latency:
    """times_ms: (query,) in the order they were asked. Raises UsageError where there are none."""
    if not len(times_ms):
        raise UsageError("times: got none, expected those of at least one query")
    return Latency(
        queries=len(times_ms),
        independent_queries=independent(times_ms, 50.0),
        mean_ms=float(np.mean(times_ms)),
        quantiles=tuple(_quantile(times_ms, percentile) for percentile in PERCENTILES),
    )


def _quantile(times_ms: Floats, percentile: float) -> Quantile:
    low, high = interval(times_ms, percentile)
    return Quantile(
        percentile=percentile,
        ms=nearest_rank(times_ms, percentile),
        low=low,
        high=high,
        claim_ms=claim_ms(times_ms, percentile),
    )


def nearest_rank(times: Floats, percentile: float) -> float:
    """The smallest of `times` that at least `percentile` of a hundred do not exceed."""
    rank = math.ceil(len(times) * percentile / 100.0 - 1e-9)  # 1000 x 99.9 / 100 is 999, and must stay it
    return float(np.sort(times)[max(rank, 1) - 1])


def interval(times: Floats, percentile: float) -> tuple[float | None, float | None]:
    """95 % interval of the quantile. times: (query,) in order. None on a side that the times are too few to bound."""
    ordered, count = np.sort(times), len(times)
    worth, share = math.floor(independent(times, percentile)), percentile / 100.0
    from_below, from_above = unlikely(worth, share, SIDE), unlikely(worth, 1.0 - share, SIDE)
    # Rank r of `worth` times stands where r (count + 1) / (worth + 1) of `count` times does; rounded outwards.
    low, high = (rank * (count + 1) // (worth + 1) for rank in (from_below, from_above))
    return (
        float(ordered[low - 1]) if low else None,
        float(ordered[count - high]) if high else None,
    )


def independent(times: Floats, percentile: float) -> float:
    """How many independent times `times`, (query,) in order, are worth for this quantile: 1 to their number.

    Where fewer than LEAST_ABOVE lie above it, the next lower quantile that has as many stands in.
    """
    seen = (other for other in reversed(PERCENTILES) if other <= percentile)
    enough = (other for other in seen if len(times) * (1.0 - other / 100.0) >= LEAST_ABOVE)
    return max(1.0, len(times) / inflation(times > nearest_rank(times, next(enough, 50.0))))


def inflation(over: NDArray[np.bool_]) -> float:
    """By how much the variance of the mean of `over`, (query,) in order, exceeds that of independent ones; at least 1."""
    count = len(over)
    spectrum = np.fft.rfft(over - over.mean(), 2 * count)
    covariances = np.fft.irfft(np.abs(spectrum) ** 2, 2 * count)[:count]
    if count < 2 or covariances[0] <= 0.0:
        return 1.0
    pairs = (covariances / covariances[0])[: count // 2 * 2].reshape(-1, 2).sum(axis=1)
    below = np.flatnonzero(pairs <= 0.0)
    kept = np.minimum.accumulate(pairs[: below[0]] if below.size else pairs)
    return max(1.0, 2.0 * float(kept.sum()) - 1.0)
