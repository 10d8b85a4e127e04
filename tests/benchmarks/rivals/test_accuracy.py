"""A rival counts as equally accurate until the frames show that it is worse."""

from __future__ import annotations

from typing import Any

import pytest

from edgeneuro.benchmarks.document import OURS, AccuracyRecord, Latency, Quantile, Row
from edgeneuro.benchmarks.rivals.accuracy import fastest_rival, same_accuracy
from edgeneuro.errors import DataError
from edgeneuro.manifest import Interval


def between(low: float, high: float) -> Interval:
    return Interval(value=(low + high) / 2, low=low, high=high)


def record(**changes: Any) -> AccuracyRecord:
    """Of the float row, with labels."""
    fields: dict[str, Any] = {
        "data": "phantom",
        "protocol": "grouped",
        "frames": 100,
        "groups": 10,
        "metric": "balanced_accuracy",
        "value": between(0.8, 0.9),
        "drop_points": None,
        "agreement": None,
        "output_error": None,
    }
    return AccuracyRecord(**{**fields, **changes})


def unlabelled(error: float | None, agreement: Interval | None) -> AccuracyRecord:
    return record(metric="agreement", value=None, output_error=error, agreement=agreement)


def dropping(low: float, high: float) -> AccuracyRecord:
    return record(drop_points=between(low, high))


def row(tool: str, ms: float, accuracy: AccuracyRecord | None, *, engine: str = "a.edge") -> Row:
    median = Quantile(percentile=50.0, ms=ms, low=None, high=None, claim_ms=None)
    latency = Latency(queries=1, independent_queries=1.0, mean_ms=ms, quantiles=(median,))
    return Row(
        name=f"{engine}: {tool}",
        engine=engine,
        tool=tool,
        backend="",
        precision="",
        steps={"inference": latency},
        accuracy=accuracy,
    )


def test_intervals_that_overlap_are_the_same_and_apart_they_are_not() -> None:
    ours = dropping(-0.5, 1.0)
    assert same_accuracy(dropping(0.9, 5.0), ours)
    assert not same_accuracy(dropping(1.1, 5.0), ours)


def test_a_rival_that_is_better_counts() -> None:
    assert same_accuracy(dropping(-3.0, -2.0), dropping(0.5, 1.0))


def test_the_float_row_has_lost_nothing() -> None:
    assert same_accuracy(record(), dropping(0.5, 1.0))
    assert same_accuracy(dropping(-0.1, 1.0), record())
    assert not same_accuracy(dropping(0.1, 1.0), record())


def test_without_labels_worse_means_a_larger_error_and_less_agreement() -> None:
    ours = unlabelled(0.02, between(0.98, 0.99))
    assert not same_accuracy(unlabelled(0.1, between(0.9, 0.95)), ours)
    assert same_accuracy(unlabelled(0.03, between(0.9, 0.95)), ours)  # at most 1.5 times
    assert same_accuracy(unlabelled(0.1, between(0.9, 0.985)), ours)  # overlap


def test_without_labels_a_float_rival_is_as_good_as_the_float_row() -> None:
    assert same_accuracy(unlabelled(1e-7, between(0.99, 1.0)), unlabelled(None, None))
    assert not same_accuracy(unlabelled(0.1, between(0.9, 0.95)), unlabelled(None, None))


def test_records_of_other_frames_are_not_compared() -> None:
    with pytest.raises(DataError, match=r"50 frames of phantom.*measure both in one run"):
        same_accuracy(record(frames=50), record())


def test_the_fastest_rival_is_the_fastest_of_those_that_are_as_accurate() -> None:
    ours = row(OURS, 1.0, dropping(-0.5, 1.0))
    wrong, good, slow = (
        row("wrong", 0.1, dropping(2.0, 5.0)),
        row("good", 2.0, dropping(0.0, 1.5)),
        row("slow", 3.0, record()),
    )
    elsewhere = row("good", 0.2, record(), engine="b.edge")
    assert fastest_rival([ours, slow, wrong, good, elsewhere], ours) is good
    assert fastest_rival([ours, wrong], ours) is None


def test_a_rival_whose_accuracy_nobody_measured_counts() -> None:
    ours = row(OURS, 1.0, None)
    unknown = row("unknown", 2.0, None)
    assert fastest_rival([ours, unknown], ours) is unknown
