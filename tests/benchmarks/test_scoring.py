"""Scores by frame and by exam unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeneuro.benchmarks.scoring import score_levels
from edgeneuro.errors import DataError
from tests.benchmarks.frames import flat_data

DATA = flat_data()
TRUTH = np.eye(3)[[sample.target for sample in DATA.samples if sample.target is not None]]


def test_the_first_graph_is_the_reference_of_the_others() -> None:
    (frames,) = score_levels(
        {"fp32": TRUTH, "int8": np.roll(TRUTH, 1, axis=1)}, DATA.samples, DATA.classes, by=None, seed=0
    )
    fp32, int8 = frames.graphs
    assert fp32.metrics["accuracy"].value == 1.0 and fp32.drop_points is None and fp32.agreement is None
    assert int8.drop_points is not None and int8.drop_points["accuracy"].value == 100.0
    assert int8.agreement is not None and int8.agreement.value == 0.0
    assert (frames.units, frames.groups) == (36, 12)


def test_an_exam_unit_is_one_value_of_the_column_within_one_group() -> None:
    frames, visits = score_levels({"fp32": TRUTH}, DATA.samples, DATA.classes, by="visit", seed=0)
    assert (frames.unit, visits.unit) == ("frame", "visit")
    assert (visits.units, visits.groups) == (24, 12)


def test_frames_of_an_exam_outvote_one_bad_frame() -> None:
    table = TRUTH.copy()
    table[0] = (0.4, 0.6, 0.0)
    frames, groups = score_levels({"fp32": table}, DATA.samples, DATA.classes, by="group", seed=0)
    assert frames.graphs[0].metrics["accuracy"].value == pytest.approx(35 / 36)
    assert groups.graphs[0].metrics["accuracy"].value == 1.0
    assert frames.graphs[0].confusion[0] == (11, 1, 0)


def test_scores_do_not_depend_on_which_graphs_stand_beside_them() -> None:
    table = TRUTH.copy()
    table[::5] = np.roll(table[::5], 1, axis=1)
    (alone,) = score_levels({"int8": table}, DATA.samples, DATA.classes, by=None, seed=3)
    (beside,) = score_levels({"fp32": TRUTH, "int8": table}, DATA.samples, DATA.classes, by=None, seed=3)
    assert alone.graphs[0].metrics == beside.graphs[1].metrics


def test_a_unit_with_two_labels_is_refused_with_its_option() -> None:
    first, second, *_ = DATA.samples
    with pytest.raises(DataError, match="--by visit: unit 'dark-0 / 1': has frames of class 0 and of class 1"):
        score_levels({"fp32": TRUTH[:2]}, [first, replace(second, target=1)], DATA.classes, by="visit", seed=0)
