"""When one quantity has changed, and how that is written."""

from __future__ import annotations

import pytest

from edgeneuro.benchmarks.measure.change import (
    Change,
    Unit,
    Verdict,
    change_line,
    exactly,
    judge_count,
    judge_score,
    judge_time,
)
from edgeneuro.manifest import Interval


def interval(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=low, high=high)


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (interval(1.20, 1.15, 1.25), "worse"),
        (interval(1.20, 1.02, 1.38), "same"),
        (interval(1.04, 1.035, 1.045), "same"),
        (interval(0.90, 0.88, 0.92), "better"),
        (interval(0.97, 0.96, 0.975), "same"),
        (interval(0.90, 0.80, 0.99), "same"),
    ],
)
def test_a_time_has_changed_where_intervals_part_and_more_than_the_tolerance(now: Interval, verdict: Verdict) -> None:
    assert judge_time(interval(1.0, 0.98, 1.03), now, 0.05) == verdict


def test_a_count_has_changed_beyond_its_tolerance() -> None:
    assert [judge_count(100, now, 0) for now in (99, 100, 101)] == ["better", "same", "worse"]
    assert [judge_count(100, now, 2) for now in (97, 98, 102, 103)] == ["better", "same", "same", "worse"]


def test_a_score_has_changed_outside_the_baselines_interval() -> None:
    was = interval(0.80, 0.75, 0.84)
    assert [judge_score(was, now, 0.01) for now in (0.74, 0.76, 0.84, 0.86)] == ["worse", "same", "same", "better"]
    lost = interval(1.0, -1.0, 3.0)
    assert [judge_score(lost, now, 1.0, more_is_worse=True) for now in (-2.0, 2.9, 3.1)] == ["better", "same", "worse"]


@pytest.mark.parametrize(
    ("unit", "was", "now", "text"),
    [
        ("bytes", exactly(1_000_000), exactly(1_250_000), "was 1,000,000 bytes, is 1,250,000 bytes (+25.0 %); "),
        ("ms", interval(2.0, 1.9, 2.1), interval(3.0, 2.9, 3.1), "was 2.000 [1.900, 2.100] ms, is 3.000 [2.900, 3.100] ms (+50.0 %)"),
        ("percent", interval(0.8, 0.7, 0.9), interval(0.6, 0.5, 0.7), "was 80.00 [70.00, 90.00] %, is 60.00 [50.00, 70.00] %; "),
        ("points", interval(0.0, -1.0, 1.0), interval(5.0, 4.0, 6.0), "was 0.00 [-1.00, 1.00] points, is 5.00 [4.00, 6.00] points; "),
    ],
)  # fmt: skip
def test_a_change_says_what_was_and_what_is(unit: Unit, was: Interval, now: Interval, text: str) -> None:
    change = Change(
        where="a.edge", what="it", unit=unit, was=was, now=now, verdict="worse", allowed="no more", advice="look"
    )
    line = change_line(change)
    assert line.startswith("a.edge: it: was ") and text in line and line.endswith("allowed: no more")
