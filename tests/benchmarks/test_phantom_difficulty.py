"""Single features of phantom frames, and the comparison they go into."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeneuro.spec import Array

pytest.importorskip("skimage")
pytest.importorskip("sklearn")

from edgeneuro.benchmarks.phantom_difficulty import classifiers, judge_features, margins, out_of_fold
from edgeneuro.benchmarks.phantom_features import frame_features
from edgeneuro.data.phantom import phantom_dataset


def _stripes(period_px: int) -> Array:
    rows = np.where(np.arange(256) % period_px < period_px / 2, 200, 50).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(rows[:, None], (256, 256)))


def test_grey_level_features_of_half_black_half_white() -> None:
    frame = np.zeros((256, 256), np.uint8)
    frame[128:] = 255
    features = frame_features(frame)
    assert features["mean"] == 127.5
    assert features["standard deviation"] == 127.5
    assert features["entropy"] == pytest.approx(1.0)  # one bit
    assert features["kurtosis"] == pytest.approx(1.0)  # two equal peaks
    assert features["lower / upper half intensity"] == 255.0  # black counts as 1


def test_every_feature_is_finite_even_on_a_constant_frame() -> None:
    features = frame_features(np.full((256, 256), 7, np.uint8))
    assert all(np.isfinite(value) for value in features.values())


def test_features_tell_horizontal_stripes_from_vertical_ones() -> None:
    lying, standing = frame_features(_stripes(16)), frame_features(np.ascontiguousarray(_stripes(16).T))
    assert lying["gradient energy vertical / horizontal"] > 1e3 * standing["gradient energy vertical / horizontal"]
    assert lying["GLCM contrast 3 px vertical"] > 0.0 == lying["GLCM contrast 3 px horizontal"]
    assert standing["GLCM contrast 3 px horizontal"] > 0.0 == standing["GLCM contrast 3 px vertical"]


def test_broader_stripes_have_a_longer_autocorrelation() -> None:
    lengths = [frame_features(_stripes(period))["autocorrelation length vertical"] for period in (8, 16, 32)]
    assert lengths == sorted(lengths) and lengths[2] > 3.0 * lengths[0]


class _Memory:
    """A classifier that answers 1 for values it was trained on, else 0."""

    def fit(self, values: Array, targets: Array) -> Any:
        self.seen = set(values[:, 0].tolist())
        return self

    def predict(self, values: Array) -> Array:
        return np.asarray([int(value in self.seen) for value in values[:, 0]])


def test_no_frame_is_judged_by_a_classifier_that_saw_its_fold() -> None:
    values = np.arange(12, dtype=np.float32)[:, None]
    assert out_of_fold(_Memory, values, np.zeros(12, int), np.arange(12) % 3).sum() == 0


def test_a_feature_that_is_the_class_is_found_out() -> None:
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(4), 60)
    values = (targets + rng.normal(0.0, 0.1, targets.size)).astype(np.float32)[:, None]
    for make in classifiers(seed=0).values():
        assert np.mean(out_of_fold(make, values, targets, np.arange(targets.size) % 5) == targets) > 0.95


def test_margins_are_against_the_best_feature_of_each_test() -> None:
    features = [{"own": 40.0, "other": 50.0}, {"own": 45.0, "other": 30.0}]
    assert margins({"own": 85.0, "other": 80.0}, features) == {"own": 40.0, "other": 30.0}


def test_rows_are_sorted_by_the_better_of_both_tests() -> None:
    data = phantom_dataset(0, subjects_per_class=5, frames_per_subject=1)
    other = phantom_dataset(1, subjects_per_class=5, frames_per_subject=1)
    makers = {name: make for name, make in classifiers(seed=0).items() if name == "decision tree"}
    rows = judge_features(data, other, makers)
    best = [max(row["own"], row["other"]) for row in rows]
    assert best == sorted(best, reverse=True) and min(best) >= 0.0 and max(best) <= 100.0
