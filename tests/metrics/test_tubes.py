"""Scores of thin structures, on masks small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from edgeneuro.errors import DataError, ShapeError
from edgeneuro.metrics.tubes import Overlap, cl_dice, nearest, tolerant_overlap, trace_distances, voxel_overlap
from edgeneuro.neuron import AXON, SOMA, Neuron
from edgeneuro.spec import Array
from edgeneuro.volume import IGNORE


def line(row: int, length: int = 20) -> Array:
    """(z 3, y 12, x 20) with one line along x."""
    mask = np.zeros((3, 12, 20), np.uint8)
    mask[1, row, :length] = 1
    return mask


def cable(*x_um: float, y_um: float = 0.0) -> Neuron:
    """A soma at x_um[0] and an axon along x."""
    points = np.array([(x, y_um, 0.0) for x in x_um])
    types = np.array([SOMA] + [AXON] * (len(x_um) - 1))
    return Neuron(points=points, radii=np.ones(len(x_um)), types=types, parents=np.arange(len(x_um)) - 1)


def test_voxel_scores_agree_with_scikit_learn() -> None:
    truth, predicted = np.random.default_rng(0).integers(2, size=(2, 4, 6, 8)).astype(np.uint8)
    scores, flat = voxel_overlap(truth, predicted), (truth.ravel(), predicted.ravel())
    expected = (precision_score(*flat), recall_score(*flat), f1_score(*flat))
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx(expected)


def test_ignored_voxels_count_nowhere() -> None:
    truth = np.array([[1, 1, 0, 0, IGNORE, IGNORE]], np.uint8)
    scores = voxel_overlap(truth, np.array([[1, 0, 1, 0, 1, 0]]))
    assert scores == Overlap(right=1, predicted=2, found=1, labelled=2)
    assert voxel_overlap(np.where(truth == IGNORE, 0, truth), np.array([[1, 0, 1, 0, 1, 0]])).predicted == 3


def test_counts_are_pooled_before_shares_are_taken() -> None:
    small = Overlap(right=1, predicted=1, found=1, labelled=1)
    large = Overlap(right=30, predicted=99, found=30, labelled=59)
    pooled = small + large
    assert (pooled.precision, pooled.recall) == (31 / 100, 31 / 60)
    assert pooled.f1 == pytest.approx(2 * 31 / 160)  # Dice: 2 TP over both sums


def test_nothing_against_nothing_is_right_and_nothing_against_something_is_not() -> None:
    nothing, something = line(5) * 0, line(5)
    for score in (voxel_overlap, cl_dice, lambda *masks: tolerant_overlap(*masks)[4]):
        assert score(nothing, nothing).f1 == 1.0
        assert score(something, nothing).f1 == score(nothing, something).f1 == 0.0


def test_a_line_two_voxels_beside_the_true_one_is_found_from_tolerance_two_on() -> None:
    scores = tolerant_overlap(line(5), line(7))
    assert {radius: overlap.f1 for radius, overlap in scores.items()} == {0: 0.0, 1: 0.0, 2: 1.0, 4: 1.0}


def test_half_of_a_line_has_full_precision_and_half_the_recall() -> None:
    at_0 = tolerant_overlap(line(5), line(5, length=10), (0,))[0]
    assert at_0 == Overlap(right=10, predicted=10, found=10, labelled=20)
    at_4 = tolerant_overlap(line(5), line(5, length=10), (4,))[4]
    assert (at_4.precision, at_4.recall) == (1.0, 14 / 20)


def test_a_thicker_tube_loses_dice_but_keeps_its_centre_line() -> None:
    thick = np.zeros((7, 12, 20), np.uint8)
    thin = thick.copy()
    thick[2:5, 4:7], thin[3, 5] = 1, 1
    assert voxel_overlap(thin, thick).f1 == pytest.approx(2 / 10)
    assert tolerant_overlap(thin, thick, (1,))[1].f1 == 1.0
    assert cl_dice(thin, thick).f1 == 1.0


def test_a_predicted_line_in_ignored_voxels_is_no_false_one() -> None:
    truth = line(5)
    truth[1, 9] = IGNORE
    predicted = line(5) | line(9)
    assert tolerant_overlap(truth, predicted, (0,))[0].precision == 1.0
    assert cl_dice(truth, predicted).precision == 1.0
    assert tolerant_overlap(line(5), predicted, (0,))[0].precision == 0.5


def test_centre_lines_work_in_the_plane_as_well() -> None:
    scores = tolerant_overlap(line(5)[1], line(6)[1], (0, 1))
    assert (scores[0].f1, scores[1].f1) == (0.0, 1.0)


def test_nearest_is_infinite_without_anything_to_be_near_to() -> None:
    points = np.array([[0, 0], [3, 4]])
    assert nearest(points, np.array([[0, 0]])).tolist() == [0.0, 5.0]
    assert nearest(points, np.empty((0, 2))).tolist() == [np.inf, np.inf]
    assert nearest(np.empty((0, 2)), points).tolist() == []


def test_parallel_traces_are_as_far_apart_as_they_lie() -> None:
    near = trace_distances(cable(0, 5, 10), cable(0, 10, y_um=1.5), voxel_um=1.0)
    assert (near.entire, near.different, near.different_share) == (1.5, 0.0, 0.0)
    far = trace_distances(cable(0, 5, 10), cable(0, 10, y_um=2.0), voxel_um=1.0)
    assert (far.entire, far.different, far.different_share) == (2.0, 2.0, 1.0)


def test_a_missing_end_counts_by_its_length_and_in_one_direction_only() -> None:
    found = trace_distances(cable(0, 8), cable(0, 4), voxel_um=1.0)
    # true nodes at 0..8: distances 0 0 0 0 0 1 2 3 4; predicted nodes at 0..4: all 0
    assert found.entire == pytest.approx((10 / 9 + 0) / 2)
    assert found.different == pytest.approx((2 + 3 + 4) / 3)
    assert found.different_share == pytest.approx((3 / 9 + 0) / 2)


def test_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"got \(2, 2\) against \(2, 3\)"):
        voxel_overlap(np.zeros((2, 3)), np.zeros((2, 2)))
    with pytest.raises(DataError, match="truth: holds the value 7, expected 0, 1, 255"):
        cl_dice(np.full((2, 2), 7), np.zeros((2, 2)))
    with pytest.raises(DataError, match="prediction: holds the value 255, expected 0, 1"):
        tolerant_overlap(np.zeros((2, 2)), np.full((2, 2), 255))
