"""MLPerf Inference's early-stopping rule: what a short run may claim of a tail.

Source: MLPerf Inference rules, appendix "Early Stopping Criterion"; LoadGen's loadgen/early_stopping.cc and results.cc
(mlcommons/inference), single-stream and multi-stream. With a confidence of 99 % and no tolerance, t of n queries may be
slower than the claim where P[Binomial(n, 1 - p) <= t] <= 1 %. LoadGen asks for t >= 1, discards the t - 1 slowest queries
and reports the slowest of the rest. Only t of them may be slower, and t - 1 are: it errs on the safe side by one query.
The rule takes queries for independent.
"""

from __future__ import annotations

import math
from itertools import count

import numpy as np

from edgeneuro.benchmarks.measure.binomial import Floats, unlikely

CONFIDENCE = 0.99


def allowed_over(queries: int, percentile: float) -> int:
    """t: how many of `queries` may be slower than what is claimed for `percentile`; -1 where even none is too many."""
    return unlikely(queries, 1.0 - percentile / 100.0, 1.0 - CONFIDENCE) - 1


def claim_ms(times: Floats, percentile: float) -> float | None:
    """What LoadGen would report for `percentile`. times: (query,) ms. None where it asks for more queries."""
    over = allowed_over(len(times), percentile)
    return float(np.sort(times)[len(times) - over]) if over >= 1 else None


def least_queries(percentile: float) -> int:
    """The fewest queries that LoadGen makes a claim from: those at which one may be slower."""
    share = percentile / 100.0
    limit = math.log(1.0 - CONFIDENCE)
    for queries in count(1):  # P[X <= 1] = p^n + n (1 - p) p^(n - 1)
        if queries * math.log(share) + math.log1p(queries * (1.0 - share) / share) <= limit:
            return queries
    raise AssertionError("the tail falls to nothing")
