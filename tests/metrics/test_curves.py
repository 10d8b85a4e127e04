"""ROC curve and calibration, against scikit-learn and against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from edgeneuro.errors import DataError
from edgeneuro.metrics import (
    calibration_error,
    curves_of,
    roc_auc,
    sensitivity_at_specificity,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def drawn(classes: int, frames: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that know something of the targets, rounded so that scores are tied."""
    draw = np.random.default_rng(seed)
    targets = draw.integers(classes, size=frames)
    table = np.round(draw.dirichlet(np.ones(classes), frames) + 0.3 * np.eye(classes)[targets], 1) + 0.01
    return table / table.sum(1, keepdims=True), targets


@pytest.mark.parametrize("seed", range(4))
def test_the_area_agrees_with_scikit_learn_ties_included(seed: int) -> None:
    table, targets = drawn(2, seed=seed)
    assert roc_auc(table, targets) == pytest.approx(reference.roc_auc_score(targets, table[:, 1]))
    table, targets = drawn(4, seed=seed)
    expected = reference.roc_auc_score(targets, table, multi_class="ovr", average="macro")
    assert roc_auc(table, targets) == pytest.approx(expected)


def test_a_class_without_frames_is_left_out_of_the_area_and_a_single_class_has_none() -> None:
    table, targets = drawn(3)
    two = targets < 2
    parts = [reference.roc_auc_score(targets[two] == k, table[two, k]) for k in (0, 1)]
    assert roc_auc(table[two], targets[two]) == pytest.approx(np.mean(parts))
    alone = table[targets == 0]
    assert curves_of(alone, [0] * len(alone), ["a"] * len(alone), list("xyz"), rng(), 9).auc is None


def test_the_areas_interval_equals_a_bootstrap_written_as_a_loop() -> None:
    table, targets = drawn(3, frames=40)
    groups = np.repeat([f"P{i:02}" for i in range(10)], 4)
    got = curves_of(table, targets, groups.tolist(), list("xyz"), rng(), 300).auc
    loop = []
    for row in rng().integers(10, size=(300, 10)):
        picked = np.concatenate([np.arange(4 * i, 4 * i + 4) for i in row])
        loop.append(roc_auc(table[picked], targets[picked]))
    assert got is not None
    assert (got.low, got.high) == pytest.approx(tuple(np.nanpercentile(loop, [2.5, 97.5])))
    assert got.low < got.value < got.high


def test_sensitivity_is_read_where_one_in_ten_of_the_others_is_called_ill() -> None:
    scores = np.r_[np.linspace(0, 1, 10), [0.95, 0.95, 0.9, 0.5]]  # ten healthy, then four ill
    ill = np.arange(14) >= 10
    assert sensitivity_at_specificity(scores, ill) == 0.75  # threshold 0.9: one healthy frame of ten above it
    assert sensitivity_at_specificity(scores, ill, 0.95) == 0.0  # no healthy frame may be above it
    assert np.isnan(sensitivity_at_specificity(scores, np.zeros(14, bool)))


@pytest.mark.parametrize("seed", range(3))
def test_sensitivity_agrees_with_scikit_learns_curve(seed: int) -> None:
    table, targets = drawn(2, seed=seed)
    wrong, found, _ = reference.roc_curve(targets, table[:, 1], drop_intermediate=False)
    assert sensitivity_at_specificity(table[:, 1], targets == 1) == pytest.approx(found[wrong <= 0.1 + 1e-12].max())


def test_every_class_has_a_sensitivity_but_one_without_frames() -> None:
    table, targets = drawn(3)
    two = targets < 2
    groups = [str(i // 3) for i in range(int(two.sum()))]
    found = curves_of(table[two], targets[two], groups, list("xyz"), rng(), 200).sensitivity
    first, missing = found["x"], found["z"]
    assert first is not None and found["y"] is not None and missing is None
    assert first.low <= first.value <= first.high


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    """Four frames of confidence 0.8, three right; two of confidence 0.55, both right."""
    table = np.array([[0.8, 0.2]] * 4 + [[0.55, 0.45]] * 2)
    targets = [0, 0, 0, 1, 0, 0]
    assert calibration_error(table, targets) == pytest.approx((4 * 0.05 + 2 * 0.45) / 6)


def test_opposite_gaps_in_one_bin_cancel_and_in_two_bins_do_not() -> None:
    assert calibration_error([[0.75, 0.25]] * 4, [0, 0, 0, 1]) == pytest.approx(0.0)
    assert calibration_error([[1.0, 0.0], [0.6, 0.4]], [0, 1]) == pytest.approx(0.3)


def test_a_value_on_a_bins_upper_edge_belongs_to_it() -> None:
    """Bins are (lower, upper]: 0.6 = 9/15 and 0.58 share one."""
    assert calibration_error([[0.6, 0.4], [0.58, 0.42]], [0, 1]) == pytest.approx(abs(1 - 0.6 - 0.58) / 2)


def test_tables_that_do_not_fit_their_targets_are_refused() -> None:
    for call in (roc_auc, calibration_error):
        with pytest.raises(DataError, match=r"got probabilities \(2,\)"):
            call([0.5, 0.5], [0, 1])
