"""Dice and intersection over union, and what an empty mask counts."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from edgeneuro.errors import ShapeError
from edgeneuro.metrics import mask_scores, mean_interval, mean_of_classes


def test_dice_and_iou_agree_with_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    truth, predicted = draw.integers(3, size=(2, 16, 20)).astype(np.uint8)
    scores = mask_scores(truth, predicted, 3)
    flat = (truth.ravel(), predicted.ravel())
    assert scores.dice == pytest.approx(f1_score(*flat, average=None)[1:])
    assert scores.iou == pytest.approx(jaccard_score(*flat, average=None)[1:])


def test_finding_nothing_where_nothing_is_scores_one_and_any_false_find_scores_zero() -> None:
    nothing, something = np.zeros((4, 4), np.uint8), np.eye(4, dtype=np.uint8)
    assert mean_of_classes(mask_scores(nothing, nothing, 2).dice) == 1.0
    assert mean_of_classes(mask_scores(nothing, something, 2).dice) == 0.0
    assert mean_of_classes(mask_scores(something, nothing, 2).iou) == 0.0
    assert not mask_scores(nothing, something, 2).present.any()


def test_a_class_in_neither_mask_does_not_lift_the_frames_mean() -> None:
    truth = np.array([[1, 1, 0, 0]], np.uint8)
    scores = mask_scores(truth, np.array([[1, 0, 0, 0]], np.uint8), 5)
    assert mean_of_classes(scores.dice) == pytest.approx(2 / 3)
    assert scores.present.tolist() == [True, False, False, False]


def test_masks_of_another_size_or_with_unknown_classes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"got \(2, 2\), expected \(4, 4\)"):
        mask_scores(np.zeros((4, 4), np.uint8), np.zeros((2, 2), np.uint8), 2)
    with pytest.raises(ShapeError, match="holds class number 7, expected 0 to 1"):
        mask_scores(np.full((4, 4), 7, np.uint8), np.zeros((4, 4), np.uint8), 2)


def test_the_interval_of_a_mean_dice_draws_whole_groups() -> None:
    scores = [0.9, 0.9, 0.9, 0.9, 0.1, 0.1]
    by_group = mean_interval(scores, ["a", "a", "b", "b", "c", "c"], np.random.default_rng(0))
    by_frame = mean_interval(scores, list("abcdef"), np.random.default_rng(0))
    assert by_group.value == pytest.approx(np.mean(scores))
    assert by_group.high - by_group.low > by_frame.high - by_frame.low
    assert mean_interval(scores, ["a"] * 6, np.random.default_rng(0)).high == 1.0
