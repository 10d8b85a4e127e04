from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from edgeneuro.data.recordings.simulated import Strengths, simulate_session
from edgeneuro.errors import DataError
from edgeneuro.records import to_json
from edgeneuro.v1.fields import fit_fields
from edgeneuro.v1.mantel import FieldOrder, field_order, mantel, most_alike

Floats = np.ndarray


def distances(points: Floats) -> Floats:
    matrix: Floats = squareform(pdist(points))
    return matrix


def order(visual_map: float) -> FieldOrder:
    clear = Strengths(gain=0.1, shared=0.1, noise=0.2)
    recording = simulate_session(2, neurons=60, images=300, strengths=clear, visual_map=visual_map).recording
    return field_order(
        recording, fit_fields(recording, seed=0, alpha=0.3), seed=0, radius_um=400.0, alike=5, permutations=99
    )


def test_r_is_the_correlation_over_pairs() -> None:
    rng = np.random.default_rng(0)
    first, second = distances(rng.random((8, 2))), distances(rng.random((8, 2)))
    upper = np.triu_indices(8, 1)
    found = mantel(first, second, rng, permutations=9)
    assert found.r == pytest.approx(np.corrcoef(first[upper], second[upper])[0, 1])
    assert (found.points, found.pairs, found.permutations) == (8, 28, 9)
    assert json.loads(json.dumps(to_json(found))) == to_json(found)


def test_the_same_distances_twice_are_as_unlikely_as_the_permutations_allow() -> None:
    rng = np.random.default_rng(0)
    same = distances(rng.random((12, 2)))
    assert mantel(same, same, rng, permutations=99).p == pytest.approx(0.01)


def test_p_of_unrelated_distances_is_anything_between_0_and_1() -> None:
    rng = np.random.default_rng(1)
    found = [
        mantel(distances(rng.random((9, 2))), distances(rng.random((9, 2))), rng, permutations=39).p for _ in range(60)
    ]
    assert 0.4 < np.mean(found) < 0.65
    assert np.mean(np.array(found) <= 0.1) < 0.25


def test_only_pairs_among_which_it_is_asked_for_count() -> None:
    rng = np.random.default_rng(2)
    first, second = distances(rng.random((10, 2))), distances(rng.random((10, 2)))
    among = second < 0.5
    upper = np.triu(among, 1)
    found = mantel(first, second, rng, among=among, permutations=9)
    assert found.pairs == upper.sum()
    assert found.r == pytest.approx(np.corrcoef(first[upper], second[upper])[0, 1])


@pytest.mark.parametrize(
    ("first", "second", "among", "message"),
    [
        (np.ones((4, 4)), np.ones((5, 5)), None, "expected two"),
        (np.ones((4, 4)), np.arange(16.0).reshape(4, 4), None, "expected some to differ"),
        (np.arange(16.0).reshape(4, 4), np.full((4, 4), 0.1), None, "expected some to differ"),
        (np.arange(16.0).reshape(4, 4), np.arange(16.0).reshape(4, 4), np.zeros((4, 4)), "got 0 pairs of 4 points"),
    ],
)
def test_distances_that_cannot_be_compared_are_refused(
    first: Floats, second: Floats, among: Floats | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        mantel(first, second, np.random.default_rng(0), among=among)


def test_a_map_of_visual_space_in_the_cortex_is_found() -> None:
    found = order(visual_map=1.0)
    assert found.everywhere.r > 0.3
    assert found.everywhere.p == pytest.approx(0.01)
    assert found.local is not None and found.local.p < 0.05
    assert found.local.pairs < found.everywhere.pairs


def test_where_there_is_no_map_none_is_found_though_neurons_alike_have_fields_alike() -> None:
    found = order(visual_map=0.0)
    assert found.everywhere.p > 0.05
    assert found.local is not None and found.local.p > 0.05
    assert found.correlated.p < 0.05


def test_neighbours_by_correlation_are_mutual_and_not_oneself() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 50, 1))
    noise = 0.1 * rng.standard_normal((50, 4))
    alike = most_alike((np.hstack([one, one, other, other]) + noise).astype(np.float32), 1)
    np.testing.assert_array_equal(alike, np.kron(np.eye(2), 1 - np.eye(2)).astype(bool))


def test_a_session_without_positions_is_refused() -> None:
    recording = simulate_session(2, neurons=20, images=40).recording
    fitted = fit_fields(recording, seed=0)
    with pytest.raises(DataError, match="simulated-2 has no positions_um"):
        field_order(replace(recording, positions_um=None), fitted, seed=0)
