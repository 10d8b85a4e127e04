"""Tails of the binomial distribution, which both early stopping and the intervals of quantiles are made of."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def log_cdf(count: int, share: float) -> Floats:
    """log P[X <= x] for x = 0..count, where X of `count` independent queries have what a `share` of all have.

    In logarithms, because 0.99 to the power of 300,000 is no float any more. share: strictly between 0 and 1.
    """
    x = np.arange(1, count + 1)
    steps = np.log((count - x + 1) / x) + math.log(share) - math.log1p(-share)
    log_pmf = count * math.log1p(-share) + np.concatenate([[0.0], np.cumsum(steps)])
    return np.logaddexp.accumulate(log_pmf)


def unlikely(count: int, share: float, limit: float) -> int:
    """How many of x = 0, 1, 2, ... have P[X <= x] <= limit; X as in `log_cdf`."""
    return int(np.searchsorted(log_cdf(count, share), math.log(limit), side="right"))
