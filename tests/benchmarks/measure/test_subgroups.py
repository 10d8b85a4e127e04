"""Accuracy by subgroup: every value kept, intervals by group, and what must be said about small ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeneuro.benchmarks.measure.subgroups import (
    MOST_VALUES,
    by_subgroup,
    classifier_outcomes,
    subgroup_columns,
    subgroup_notes,
)
from edgeneuro.benchmarks.scoring import Probabilities, score_levels
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import DataError
from edgeneuro.spec import Frame


def people() -> DataSet:
    """40 women of 30, 30 men of 70, one person of whom nothing is known; two frames each, healthy and ill in turn."""
    rows = [("f", "30")] * 40 + [("m", "70")] * 30 + [("", "")]
    samples = tuple(
        Sample(
            source=f"{person}-{frame}",
            index=0,
            target=person % 2,
            group=f"p{person:02d}",
            tags={"sex": sex, "age": age, "frame": f"{2 * person + frame}"},
        )
        for person, (sex, age) in enumerate(rows)
        for frame in range(2)
    )

    def read(sample: Sample) -> Frame:
        raise AssertionError("subgroups need no pixels")

    bands = {"sex": (), "age": (20.0, 40.0, 60.0)}
    return DataSet(name="people", classes=("healthy", "ill"), samples=samples, reader=read, subgroups=bands)


def tables(data: DataSet) -> dict[str, Probabilities]:
    """fp32 is always right; int8 takes every ill man for healthy."""
    right = np.eye(2)[[sample.target or 0 for sample in data.samples]]
    men = [row for row, sample in enumerate(data.samples) if sample.tags["sex"] == "m"]
    worse = right.copy()
    worse[men] = (1.0, 0.0)
    return {"fp32": right, "int8": worse}


def test_every_frame_is_in_one_subgroup_of_each_column_and_the_unknown_are_not_dropped() -> None:
    data = people()
    outcomes = classifier_outcomes(tables(data), data, data.samples)
    found = by_subgroup(outcomes, data.subgroups, metric="balanced_accuracy", seed=0)
    assert [(one.column, one.value, one.frames, one.groups) for one in found["int8"]] == [
        ("sex", "f", 80, 40),
        ("sex", "m", 60, 30),
        ("sex", "unknown", 2, 1),
        ("age", "20-39", 80, 40),
        ("age", "60+", 60, 30),
        ("age", "unknown", 2, 1),
    ]


def test_what_int8_loses_in_one_subgroup_shows_there_and_nowhere_else() -> None:
    data = people()
    outcomes = classifier_outcomes(tables(data), data, data.samples)
    found = by_subgroup(outcomes, data.subgroups, metric="balanced_accuracy", seed=0)
    women, men, _ = found["int8"][:3]
    assert women.metric.value == 1.0 and men.metric.value == 0.5
    assert women.drop_points is not None and women.drop_points.value == 0.0 and women.drop_points.high > 0.0
    assert men.drop_points is not None and men.drop_points.value == 50.0 and men.drop_points.low > 20.0
    assert [one.drop_points for one in found["fp32"]] == [None] * 6


def test_a_subgroup_of_one_group_has_the_whole_range_as_its_interval() -> None:
    data = people()
    outcomes = classifier_outcomes(tables(data), data, data.samples)
    unknown = by_subgroup(outcomes, {"sex": ()}, metric="accuracy", seed=0)["int8"][2]
    assert (unknown.metric.low, unknown.metric.high) == (0.0, 1.0)
    assert unknown.drop_points is not None
    assert (unknown.drop_points.low, unknown.drop_points.high) == (-100.0, 100.0)


def test_a_column_with_one_value_says_what_the_whole_says() -> None:
    data = people()
    data = replace(data, samples=tuple(replace(one, tags={"probe": "convex"}) for one in data.samples))
    found = tables(people())
    outcomes = classifier_outcomes(found, data, data.samples)
    (only,) = by_subgroup(outcomes, {"probe": ()}, metric="balanced_accuracy", seed=3)["int8"]
    (level,) = score_levels(found, data.samples, data.classes, by=None, seed=3)
    assert only.metric == level.graphs[1].metrics["balanced_accuracy"]
    assert level.graphs[1].drop_points is not None
    assert only.drop_points == level.graphs[1].drop_points["balanced_accuracy"]


def test_declared_columns_are_the_default_and_others_can_be_asked_for() -> None:
    data = people()
    assert subgroup_columns(data, None) == {"sex": (), "age": (20.0, 40.0, 60.0)}
    assert subgroup_columns(data, ["age"]) == {"age": (20.0, 40.0, 60.0)}, "with its bands"
    assert subgroup_columns(data, ()) == {}
    assert subgroup_columns(replace(data, subgroups={}), ["sex", "sex"]) == {"sex": ()}


def test_columns_that_are_not_there_or_divide_into_single_frames_are_refused() -> None:
    with pytest.raises(DataError, match="has no column 'probe'"):
        subgroup_columns(people(), ["probe"])
    with pytest.raises(DataError, match=f"column 'frame' has 142 values, expected at most {MOST_VALUES} subgroups"):
        subgroup_columns(people(), ["frame"])


def test_many_comparisons_small_subgroups_and_missing_classes_are_named() -> None:
    data = people()
    many, few, partial = subgroup_notes(data.samples, data.classes, {"sex": ()})
    assert many.startswith("3 subgroups were looked at: about 1 in 20")
    assert "sex unknown (1)" in few and "sex m" not in few
    assert partial.endswith("with the whole: sex unknown.")
    women = [sample for sample in data.samples if sample.tags["sex"] == "f"]
    assert subgroup_notes(women, data.classes, {"sex": ()}) == ()
