from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeneuro.data.recordings import GREY
from edgeneuro.data.recordings.simulated import simulate_session
from edgeneuro.errors import DataError
from edgeneuro.records import to_json
from edgeneuro.v1.dimension_table import dimension_table, other_dimensions, session_dimension, sphere

SMALL: Any = {"neighbours": (5,), "metrics": ("euclidean",), "bins": (30,)}


def test_every_setting_has_a_row_and_every_graph_an_overlay() -> None:
    points = sphere(300, 2, np.random.default_rng(0))
    table = dimension_table(points, seed=0, neighbours=(6, 9), metrics=("euclidean",), bins=(20, 30))
    assert [(row.neighbours, row.bins) for row in table.rows] == [(6, 20), (6, 30), (9, 20), (9, 30)]
    assert [(one.neighbours, one.bins, one.dimension) for one in table.overlays] == [(6, 30, 2), (9, 30, 2)]
    assert table.overlays[0].fitted_sphere == pytest.approx(2, rel=0.2)
    assert table.overlays[0].fitted_gaussian == pytest.approx(2, rel=0.2)
    json.dumps(to_json(table))


def test_a_sphere_of_dimension_2_is_steady_and_30_dimensions_are_not() -> None:
    rng = np.random.default_rng(1)
    settings: Any = {"neighbours": (6, 9), "metrics": ("euclidean",), "bins": (20, 30)}
    low = dimension_table(sphere(300, 2, rng), seed=0, **settings)
    high = dimension_table(rng.standard_normal((300, 30)), seed=0, **settings)
    assert low.steady
    assert low.swing_neighbours is not None and 1 <= low.swing_neighbours < 1.25
    assert not high.steady


@pytest.mark.parametrize("dimension", [2, 5])
def test_the_other_estimators_find_known_dimensions_too(dimension: int) -> None:
    rng = np.random.default_rng(2)
    flat = rng.standard_normal((500, dimension)) @ np.linalg.qr(rng.standard_normal((12, dimension)))[0].T
    found = other_dimensions(flat, danco=True)
    for estimate in (found.two_nn, found.mle, found.danco):  # of 500 points: the standard error of TwoNN alone is 5 %
        assert estimate == pytest.approx(dimension, rel=0.2)
    assert found.participation_ratio == pytest.approx(dimension, rel=0.1)


def test_danco_is_left_out_unless_asked_for_and_too_few_points_are_refused() -> None:
    points = np.random.default_rng(3).standard_normal((40, 3))
    assert other_dimensions(points).danco is None
    with pytest.raises(DataError, match="got 20 points of 3 features"):
        other_dimensions(points[:20])


def test_grey_and_natural_are_compared_at_the_same_number_of_trials() -> None:
    recording = simulate_session(0, neurons=20, images=300).recording
    found = session_dimension(recording, seed=0, most=60, **SMALL)
    assert found.grey is not None and found.natural is not None
    assert found.grey.trials == found.natural.trials == int(recording.grey.sum()) == 32
    assert found.more.trials == 60
    assert found.power_law is not None and found.power_law.stimuli == 300
    assert found.skipped == {}
    json.dumps(to_json(found))


def test_a_session_without_grey_screens_and_repeats_says_what_is_skipped_and_why() -> None:
    whole = simulate_session(0, neurons=20, images=60).recording
    shown = np.unique(whole.stimuli[whole.stimuli != GREY])
    once = whole.only(np.array([int(np.flatnonzero(whole.stimuli == number)[0]) for number in shown]))
    found = session_dimension(replace(once, name="short"), seed=0, **SMALL)
    assert found.grey is None and found.natural is None and found.power_law is None
    assert found.skipped["grey"] == "short has 0 grey trials, expected at least 21"
    assert "shows none of its 60 stimuli twice" in found.skipped["power_law"]
