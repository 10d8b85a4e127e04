"""What one graph loses against another: by hand, against the textbook, and where the textbook bootstrap is fooled."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from edgeneuro.errors import DataError
from edgeneuro.metrics import (
    agreement_interval,
    balanced_accuracy,
    bootstrap_interval,
    drop_interval,
    drop_of,
    recall_drops,
    score_drop,
)
from edgeneuro.metrics.paired import student_quantile

Ints = NDArray[np.int64]


def two_class_frames(groups: int, frames: int = 5) -> tuple[Ints, list[str]]:
    """Targets and groups: every second group is ill."""
    return np.repeat(np.arange(groups) % 2, frames), [f"P{i}" for i in range(groups) for _ in range(frames)]


def flipped(predicted: Ints, rows: Ints) -> Ints:
    changed = predicted.copy()
    changed[rows] = 1 - changed[rows]
    return changed


@pytest.mark.parametrize("freedom", [1.0, 1.3, 2.0, 7.5, 60.0, 999.0, 1001.0, 1e5])
def test_student_quantiles_are_those_of_scipy(freedom: float) -> None:
    for probability in (0.95, 0.975, 0.995):
        assert student_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-3)


def test_equal_predictions_lose_nothing_and_the_bound_is_the_rule_of_three() -> None:
    """One frame a group, so that every frame counts: 3 / n, exactly -ln(0.05) / n of the class with fewest frames."""
    targets, groups = two_class_frames(200, frames=1)
    same = drop_interval("balanced_accuracy", targets, targets, targets, groups, 2)
    assert same.value == 0.0
    assert same.high == pytest.approx(100 * -np.log(0.05) / 200)
    assert same.low < 0.0
    lopsided = np.array([0] * 180 + [1] * 20)
    few_ill = drop_interval("balanced_accuracy", lopsided, lopsided, lopsided, groups, 2)
    assert few_ill.high == pytest.approx(100 * -np.log(0.05) / (2 * 20))


def test_frames_of_one_group_count_for_less_than_frames_of_many() -> None:
    right = np.zeros(100, np.int64)
    alone = drop_interval("accuracy", right, right, right, [str(i) for i in range(100)], 2)
    together = drop_interval("accuracy", right, right, right, [str(i // 10) for i in range(100)], 2)
    assert together.high == pytest.approx(1.9 * alone.high)  # 1 + (10 - 1) * 0.1


def test_with_one_group_or_a_class_in_one_group_nothing_is_known() -> None:
    for groups in (["P1"] * 4, ["P1", "P1", "P2", "P3"]):
        only = drop_interval("balanced_accuracy", [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 0], groups, 2)
        assert (only.value, only.low, only.high) == (25.0, -100.0, 100.0)
    targets = [0] * 40 + [1]
    groups = [f"P{i}" for i in range(41)]
    assert drop_interval("accuracy", targets, targets, targets, groups, 2).high < 8.0, "it does not count by class"


def test_the_standard_error_is_the_one_of_the_groups_means_where_groups_are_alike() -> None:
    """Equal groups, one class: the jackknife gives the textbook standard error of a mean."""
    draw = np.random.default_rng(3)
    groups = np.repeat(np.arange(30), 8)
    lost = draw.random(240) < np.repeat(draw.uniform(0, 0.6, 30), 8)
    drop = drop_of("accuracy", np.zeros(240, int), np.zeros(240, int), lost.astype(int), groups.astype(str).tolist(), 2)
    means = lost.reshape(30, 8).mean(1)
    assert drop.value == pytest.approx(100 * means.mean())
    assert np.sqrt(drop.variance) == pytest.approx(100 * means.std(ddof=1) / np.sqrt(30))
    assert drop.freedom == pytest.approx(29)


def test_a_class_found_in_two_groups_leaves_one_degree_of_freedom() -> None:
    targets = np.array([0] * 60 + [1] * 4)
    groups = [f"P{i}" for i in range(60)] + ["Q1", "Q1", "Q2", "Q2"]
    drop = drop_of("balanced_accuracy", targets, targets, targets, groups, 2)
    assert 1.0 <= drop.freedom < 1.2


def test_a_worse_graph_has_a_positive_drop_and_a_better_one_a_negative() -> None:
    targets, groups = two_class_frames(40)
    worse = flipped(targets, np.arange(0, 200, 4))
    lost = drop_interval("accuracy", targets, targets, worse, groups, 2)
    assert lost.value == pytest.approx(25.0)
    assert 0.0 < lost.low < lost.value < lost.high
    assert drop_interval("accuracy", targets, worse, targets, groups, 2).value == pytest.approx(-25.0)


def test_pairing_makes_the_drop_narrower_than_the_metric_itself() -> None:
    draw = np.random.default_rng(6)
    targets, groups = two_class_frames(60, frames=6)
    floating = np.where(draw.random(360) < 0.7, targets, 1 - targets)
    int8 = flipped(floating, draw.permutation(360)[:4])
    drop = drop_interval("balanced_accuracy", targets, floating, int8, groups, 2)
    itself = bootstrap_interval("balanced_accuracy", targets, floating, groups, 2, np.random.default_rng(0))
    assert drop.high - drop.low < 0.5 * 100 * (itself.high - itself.low)


def test_copies_of_frames_within_a_group_hardly_narrow_the_drop() -> None:
    draw = np.random.default_rng(8)
    targets, groups = two_class_frames(30)
    worse = np.where(np.repeat(draw.random(30) < 0.3, 5), 1 - targets, targets)
    once = drop_of("balanced_accuracy", targets, targets, worse, groups, 2)
    ten, bad = np.repeat(targets, 10), np.repeat(worse, 10)
    copied = drop_of("balanced_accuracy", ten, ten, bad, np.repeat(groups, 10).tolist(), 2)
    assert copied.value == pytest.approx(once.value)
    assert copied.variance == pytest.approx(once.variance)


def test_more_groups_of_the_same_kind_are_foretold() -> None:
    """The spread of a drop seen in 20 groups, carried to 80, is that of the same data four times over."""
    draw = np.random.default_rng(2)
    targets, groups = two_class_frames(20)
    worse = flipped(targets, draw.permutation(100)[:9])
    once = drop_of("balanced_accuracy", targets, targets, worse, groups, 2).with_groups(80)
    names = [f"{copy} {group}" for copy in range(4) for group in groups]
    right, wrong = np.tile(targets, 4), np.tile(worse, 4)
    four = drop_of("balanced_accuracy", right, right, wrong, names, 2)
    assert once.interval().high == pytest.approx(four.interval().high, rel=0.05)


def test_recall_drops_are_those_of_each_classs_own_frames() -> None:
    targets = [0] * 6 + [1] * 4
    worse = [0] * 6 + [1, 1, 0, 0]
    healthy, ill, missing = recall_drops(targets, targets, worse, list("aabbccddee"), 3)
    assert healthy is not None and (healthy.value, healthy.groups) == (0.0, 3)
    assert ill is not None and (ill.value, ill.groups) == (50.0, 2)
    assert missing is None


def test_what_float_never_found_cannot_be_lost() -> None:
    (_, ill) = recall_drops([0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0], list("abcd"), 2)
    assert ill is not None and (ill.interval().low, ill.interval().high) == (0.0, 0.0)


def test_one_frame_of_a_class_costs_macro_f1_what_moving_it_costs() -> None:
    targets, groups = two_class_frames(50, frames=1)
    drop = drop_of("macro_f1", targets, targets, targets, groups, 2)
    assert drop.event == pytest.approx(100 * (1 - (2 * 24 / 49 + 2 * 25 / 51) / 2))


def test_a_drop_of_dice_is_the_mean_of_the_frames_differences() -> None:
    floating = np.array([0.9, 0.8, 0.7, 0.9, 0.6, 0.8])
    drop = score_drop(floating, floating - np.array([0.02, 0.0, 0.01, 0.0, -0.01, 0.01]), list("aabbcc"))
    assert drop.value == pytest.approx(0.5)
    assert drop.event == pytest.approx(100 * 0.02 / 6 * 1.1)
    same = score_drop(floating, floating, list("aabbcc")).interval()
    assert (same.low, same.high) == (0.0, 0.0), "no graph but the float one gives every Dice to the last digit"


def test_agreement_looks_at_classes_and_not_at_truth_and_full_agreement_is_not_certain() -> None:
    assert agreement_interval([0, 1, 1, 0], [0, 1, 0, 0], list("abcd"), 2).value == 0.75
    full = agreement_interval([0, 1] * 50, [0, 1] * 50, [str(i) for i in range(100)], 2)
    assert (full.value, full.high) == (1.0, 1.0)
    assert full.low == pytest.approx(1 - -np.log(0.05) / 100)


def test_the_percentile_bootstrap_is_fooled_by_few_groups_and_this_is_not() -> None:
    """A true drop of 3 points seen in 12 patients: the bound must not lie below 3 points more often than one in 20."""
    draw = np.random.default_rng(11)
    targets, groups = two_class_frames(12, frames=10)
    names = np.array(groups)
    below = fooled = 0
    for _ in range(100):
        rate = np.repeat(draw.beta(0.27, 8.73, 12), 10)  # mean 0.03, correlation within a patient 0.1
        int8 = np.where(draw.random(120) < rate, 1 - targets, targets)
        below += bool(drop_interval("balanced_accuracy", targets, targets, int8, groups, 2).high < 3.0)
        resampled = [
            balanced_accuracy(targets[rows], int8[rows], 2)
            for rows in (
                np.concatenate([np.flatnonzero(names == f"P{i}") for i in draw.integers(12, size=12)])
                for _ in range(60)
            )
        ]
        fooled += bool(100 * (1 - np.nanpercentile(resampled, 2.5)) < 3.0)
    assert below <= 5
    assert fooled > 10


def test_scores_without_a_group_each_are_refused() -> None:
    with pytest.raises(DataError, match="got 2 frames and 1 groups"):
        score_drop([0.5, 0.5], [0.5, 0.5], ["a"])
    with pytest.raises(DataError, match="got no frames"):
        drop_of("accuracy", [], [], [], [], 2)
