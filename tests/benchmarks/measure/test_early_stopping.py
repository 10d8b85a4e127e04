"""MLPerf's early-stopping rule against LoadGen's known values and scipy's binomial distribution."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from edgeneuro.benchmarks.measure.binomial import log_cdf
from edgeneuro.benchmarks.measure.early_stopping import allowed_over, claim_ms, least_queries
from edgeneuro.benchmarks.measure.quantiles import PERCENTILES


@pytest.mark.parametrize("percentile, queries", [(50.0, 11), (90.0, 64), (95.0, 130), (99.0, 662), (99.9, 6636)])
def test_the_fewest_queries_for_a_claim_are_loadgens(percentile: float, queries: int) -> None:
    assert least_queries(percentile) == queries
    assert allowed_over(queries, percentile) == 1
    assert allowed_over(queries - 1, percentile) == 0


def test_with_459_fast_queries_p99_is_sure_and_with_458_it_is_not() -> None:
    assert allowed_over(459, 99.0) == 0
    assert allowed_over(458, 99.0) == -1


@pytest.mark.parametrize("percentile", [50.0, 90.0, 99.0, 99.9])
@pytest.mark.parametrize("queries", [1, 64, 662, 1024, 24_576])
def test_as_many_slow_queries_are_allowed_as_scipy_says(queries: int, percentile: float) -> None:
    over = allowed_over(queries, percentile)
    assert over == -1 or binom.cdf(over, queries, 1 - percentile / 100) <= 0.01
    assert binom.cdf(over + 1, queries, 1 - percentile / 100) > 0.01


def test_the_tail_is_right_where_probabilities_are_too_small_for_a_float() -> None:
    ours = log_cdf(270_336, 0.01)
    assert ours[0] == pytest.approx(270_336 * np.log(0.99))  # exp of it is 0
    at = np.array([2000, 2600, 2703, 2900])
    assert ours[at] == pytest.approx(binom.logcdf(at, 270_336, 0.01), rel=1e-6, abs=1e-9)


def test_the_claim_is_the_slowest_query_left_when_one_fewer_than_allowed_is_discarded() -> None:
    times = np.random.default_rng(0).permutation(np.arange(1024.0))
    for percentile, over in ((90.0, 80), (99.0, 3)):
        assert allowed_over(1024, percentile) == over
        claim = claim_ms(times, percentile)
        assert claim is not None and np.sum(times > claim) == over - 1


def test_too_few_queries_claim_nothing_and_just_enough_claim_the_slowest() -> None:
    times = np.arange(662.0)
    assert claim_ms(times[:-1], 99.0) is None
    assert claim_ms(times, 99.0) == 661.0


def test_the_table_in_the_docs_is_what_the_rule_says() -> None:
    page = (Path(__file__).parents[3] / "docs" / "benchmark-protocol.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| p([\d.]+) \| ([\d,]+) \| ([\d,]+|no claim) \| ([\d,]+) \|$", page, re.MULTILINE)
    assert [float(row[0]) for row in rows] == list(PERCENTILES)
    for percentile, least, *over in ([cell.replace(",", "") for cell in row] for row in rows):
        assert int(least) == least_queries(float(percentile))
        allowed = [allowed_over(queries, float(percentile)) for queries in (1024, 24_576)]
        assert over == [str(count) if count >= 1 else "no claim" for count in allowed]
