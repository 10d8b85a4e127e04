"""Quantiles and their intervals: small cases by hand, coverage by simulation."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from edgeneuro.benchmarks.measure import quantiles
from edgeneuro.benchmarks.measure.quantiles import independent, inflation, interval, latency, nearest_rank
from edgeneuro.benchmarks.protocol import Floats
from edgeneuro.errors import UsageError


def alternating(count: int) -> Floats:
    """1..count, small and large in turn: no run of slow times, so that they are worth their number."""
    half = (count + 1) // 2
    times = np.empty(count)
    times[0::2], times[1::2] = np.arange(1, half + 1), np.arange(half + 1, count + 1)
    return times


def series(runs: int, count: int, correlation: float) -> Floats:
    """(run, query) normal times, each `correlation` times the one before and the rest new."""
    rng = np.random.default_rng(1)
    times = rng.standard_normal((runs, count))
    for i in range(1, count):
        times[:, i] = correlation * times[:, i - 1] + np.sqrt(1 - correlation**2) * times[:, i]
    return times


def coverage(times: Floats, percentile: float) -> float:
    """In how many of the runs the interval holds the true quantile of a normal distribution."""
    truth = NormalDist().inv_cdf(percentile / 100)
    bounds = (interval(run, percentile) for run in times)
    return float(np.mean([(low is None or low <= truth) and (high is None or truth <= high) for low, high in bounds]))


def test_a_quantile_is_a_time_that_was_measured() -> None:
    times = np.array([5.0, 1.0, 4.0, 2.0])
    assert [nearest_rank(times, p) for p in (0.0, 25.0, 26.0, 50.0, 75.0, 99.9)] == [1.0, 1.0, 2.0, 2.0, 4.0, 5.0]
    assert nearest_rank(np.arange(1.0, 1001.0), 99.9) == 999.0


@pytest.mark.parametrize(
    "count, percentile, low, high",
    [
        (5, 50.0, None, None),  # 1/32 > 2.5 %
        (6, 50.0, 1.0, 6.0),  # 1/64 < 2.5 %
        (9, 50.0, 2.0, 8.0),  # (1 + 9)/512 = 1.95 %, (1 + 9 + 36)/512 = 8.98 %
        (35, 90.0, 28.0, None),  # P[X <= 27] = 2.0 %, P[X <= 28] = 5.5 %; 0.9 ** 35 = 2.503 %
        (36, 90.0, 29.0, 36.0),  # P[X <= 28] = 2.4 %, P[X <= 29] = 6.3 %; 0.9 ** 36 = 2.25 %
    ],
)
def test_small_intervals_are_those_counted_by_hand(
    count: int, percentile: float, low: float | None, high: float | None
) -> None:
    assert interval(alternating(count), percentile) == (low, high)


def test_the_latency_of_a_thousand_queries_bounds_all_but_the_last_quantile() -> None:
    found = latency(np.random.default_rng(0).permutation(np.arange(1.0, 1001.0)))
    assert (found.queries, found.mean_ms) == (1000, 500.5)
    assert [quantile.ms for quantile in found.quantiles] == [500.0, 900.0, 950.0, 990.0, 999.0]
    for quantile in found.quantiles:
        assert quantile.low is not None and quantile.low < quantile.ms
        assert (quantile.high is None) == (quantile.claim_ms is None) == (quantile.percentile == 99.9)
        assert quantile.high is None or quantile.ms < quantile.high
    assert found.at(90.0).claim_ms == 923.0  # 78 of 1000 may be slower
    assert 0.8 * 1000 < found.independent_queries <= 1000


def test_no_query_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="got none, expected those of at least one query"):
        latency(np.array([]))


def test_equal_times_are_worth_their_number_and_have_an_interval_without_width() -> None:
    assert independent(np.full(100, 2.0), 50.0) == 100.0
    assert interval(np.full(100, 2.0), 50.0) == (2.0, 2.0)


def test_a_time_repeated_eight_times_counts_once() -> None:
    fresh = np.random.default_rng(0).random(500)
    assert inflation(np.repeat(fresh, 8) > 0.5) == pytest.approx(8.0, rel=0.25)
    assert inflation(fresh > 0.5) == pytest.approx(1.0, abs=0.2)
    assert independent(np.repeat(fresh, 8), 50.0) == pytest.approx(500.0, rel=0.25)


def test_where_few_lie_above_a_quantile_the_bursts_below_it_tell() -> None:
    times = np.repeat(np.random.default_rng(0).random(25), 8)  # 200 times, 2 above p99, 10 above p95
    assert independent(times, 99.0) == independent(times, 95.0) < 100


@pytest.mark.parametrize("percentile", [50.0, 90.0, 99.0])
def test_intervals_of_independent_times_hold_the_truth_as_often_as_they_say(percentile: float) -> None:
    assert coverage(series(400, 500, 0.0), percentile) >= 0.93


@pytest.mark.parametrize("percentile", [50.0, 90.0])
def test_intervals_of_correlated_times_do_so_because_they_are_worth_less(
    percentile: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = series(300, 1000, 0.8)
    assert coverage(times, percentile) >= 0.91
    monkeypatch.setattr(quantiles, "independent", lambda times, percentile: len(times))
    assert coverage(times, percentile) < 0.8


def test_intervals_from_fewer_than_twenty_independent_times_are_too_narrow() -> None:
    times = series(300, 100, 0.95)
    assert np.mean([independent(run, 50.0) for run in times]) < 20
    assert 0.75 <= coverage(times, 50.0) < 0.9  # why quiet.LEAST_INDEPENDENT is 20
