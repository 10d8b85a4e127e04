"""Metrics of the confusion matrix and their bootstrap intervals, against small sums by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from edgeneuro.errors import DataError, InputError
from edgeneuro.metrics import (
    METRICS,
    accuracy,
    aggregate,
    balanced_accuracy,
    bootstrap_interval,
    confusion_matrix,
    macro_f1,
    per_class_recall,
    recall_intervals,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("seed", range(5))
def test_every_metric_agrees_with_scikit_learn(seed: int) -> None:
    draw = np.random.default_rng(seed)
    targets, predicted = draw.integers(4, size=60), draw.integers(4, size=60)
    assert np.array_equal(confusion_matrix(targets, predicted, 4), reference.confusion_matrix(targets, predicted))
    assert accuracy(targets, predicted, 4) == pytest.approx(reference.accuracy_score(targets, predicted))
    assert balanced_accuracy(targets, predicted, 4) == pytest.approx(
        reference.balanced_accuracy_score(targets, predicted)
    )
    assert macro_f1(targets, predicted, 4) == pytest.approx(reference.f1_score(targets, predicted, average="macro"))
    assert per_class_recall(targets, predicted, 4) == pytest.approx(
        reference.recall_score(targets, predicted, average=None)
    )


def test_a_class_without_frames_counts_neither_as_missed_nor_as_found() -> None:
    targets, predicted = [0, 0, 1, 1], [0, 0, 1, 0]
    assert balanced_accuracy(targets, predicted, 3) == balanced_accuracy(targets, predicted, 2) == 0.75
    assert macro_f1(targets, predicted, 3) == pytest.approx(reference.f1_score(targets, predicted, average="macro"))
    assert np.isnan(per_class_recall(targets, predicted, 3)[2])


def test_a_class_that_was_only_predicted_lowers_macro_f1() -> None:
    assert macro_f1([0, 0], [0, 2], 3) == pytest.approx(
        reference.f1_score([0, 0], [0, 2], average="macro", zero_division=0)
    )


def test_the_interval_equals_a_bootstrap_written_as_a_loop() -> None:
    draw = np.random.default_rng(3)
    groups = np.repeat([f"P{i}" for i in range(12)], 5)
    targets = np.repeat(draw.integers(3, size=12), 5)
    predicted = np.where(draw.random(60) < 0.7, targets, draw.integers(3, size=60))
    got = bootstrap_interval("balanced_accuracy", targets, predicted, list(groups), 3, rng(), 4000)

    names, draws, loop = np.unique(groups), rng().integers(12, size=(4000, 12)), []
    for row in draws:
        picked = np.concatenate([np.flatnonzero(groups == names[i]) for i in row])
        loop.append(balanced_accuracy(targets[picked], predicted[picked], 3))
    assert (got.low, got.high) == pytest.approx(tuple(np.percentile(loop, [2.5, 97.5])))
    assert got.value == pytest.approx(balanced_accuracy(targets, predicted, 3))
    assert got.low < got.value < got.high


def test_copies_of_frames_within_a_group_do_not_narrow_the_interval() -> None:
    targets, predicted = [0, 0, 0, 1, 1, 1] * 4, [0, 0, 1, 1, 0, 1] * 4
    groups = [f"P{i}" for i in range(24)]
    once = bootstrap_interval("accuracy", targets, predicted, groups, 2, rng())
    copied = bootstrap_interval(
        "accuracy", np.repeat(targets, 10), np.repeat(predicted, 10), list(np.repeat(groups, 10)), 2, rng()
    )
    as_if_independent = bootstrap_interval(
        "accuracy", np.repeat(targets, 10), np.repeat(predicted, 10), [str(i) for i in range(240)], 2, rng()
    )
    assert copied == once
    assert as_if_independent.high - as_if_independent.low < 0.5 * (once.high - once.low)


def test_the_same_generator_gives_the_same_interval_and_another_seed_another() -> None:
    targets, predicted, groups = [0, 1] * 10, [0, 1, 1, 1] * 5, [str(i // 2) for i in range(20)]
    first = bootstrap_interval("accuracy", targets, predicted, groups, 2, rng(), 50)
    assert bootstrap_interval("accuracy", targets, predicted, groups, 2, rng(), 50) == first
    assert bootstrap_interval("accuracy", targets, predicted, groups, 2, np.random.default_rng(8), 50) != first


def test_one_group_says_nothing_about_other_groups() -> None:
    only = bootstrap_interval("accuracy", [0, 1], [0, 1], ["P1", "P1"], 2, rng())
    assert (only.value, only.low, only.high) == (1.0, 0.0, 1.0)


def test_a_class_of_one_group_has_a_recall_about_which_nothing_is_known() -> None:
    groups = ["P1", "P1", "P2", "P2", "P3"]
    healthy, ill, missing = recall_intervals([0, 0, 0, 0, 1], [0, 0, 0, 1, 1], groups, 3, rng())
    assert healthy is not None and (healthy.value, healthy.low, healthy.high) == (0.75, 0.5, 1.0)
    assert ill is not None and (ill.value, ill.low, ill.high) == (1.0, 0.0, 1.0)
    assert missing is None


def test_an_exam_is_the_mean_of_its_frames() -> None:
    exams = aggregate([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]], [1, 0, 0], ["video b", "video a", "video a"])
    assert exams.units == ("video b", "video a")
    assert exams.probabilities == pytest.approx(np.array([[0.9, 0.1], [0.3, 0.7]]))
    assert exams.targets.tolist() == [1, 0]
    assert exams.first.tolist() == [0, 1]


def test_an_exam_with_two_labels_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"'video a': has frames of class 0 and of class 1.*--by"):
        aggregate([[1, 0], [1, 0]], [0, 1], ["video a", "video a"])


def test_class_numbers_beyond_the_model_are_refused() -> None:
    with pytest.raises(DataError, match=r"got target 0 to 3, expected 0 to 2"):
        accuracy([0, 3], [0, 1], 3)


def test_frames_without_a_group_each_are_refused() -> None:
    with pytest.raises(DataError, match="got 2 frames and 1 groups"):
        bootstrap_interval("accuracy", [0, 1], [0, 1], ["P1"], 2, rng())


def test_no_frames_at_all_are_refused() -> None:
    with pytest.raises(DataError, match="got no frames"):
        bootstrap_interval("accuracy", [], [], [], 2, rng())


def test_an_unknown_metric_is_named_beside_the_known_ones() -> None:
    with pytest.raises(InputError, match="metric 'auc': is not known; expected one of " + ", ".join(METRICS)):
        bootstrap_interval("auc", [0], [0], ["a"], 2, rng())
