"""The baselines on flat frames: what they train on, and that probabilities keep the classifier's own decision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks.baselines import hog_lbp_svm
from edgeneuro.benchmarks.classical import fit_grouped, hog_lbp, scores_as_probabilities
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.spec import Frame
from tests.benchmarks.frames import split_of


def textured_data(groups: int = 16, frames: int = 4) -> DataSet:
    """Horizontal stripes against vertical ones, in noise."""
    samples = tuple(
        Sample(source=f"{target}-{group}-{frame}", index=0, target=target, group=f"{target}-{group}")
        for target in range(2)
        for group in range(groups)
        for frame in range(frames)
    )

    def read(sample: Sample) -> Frame:
        target, group, frame = map(int, sample.source.split("-"))
        rng = np.random.default_rng((target, group, frame))
        stripes = 60 * np.sin(np.arange(96) * (0.4 + 0.01 * group))
        field = 120 + (stripes[:, None] if target else stripes[None]) + rng.normal(0, 30, (96, 96))
        pixels: Frame = field.clip(0, 255).astype(np.uint8)
        return pixels

    return DataSet(name="stripes", classes=("vertical", "horizontal"), samples=samples, reader=read)


def test_features_of_a_frame_have_a_fixed_length_and_know_orientation() -> None:
    data = textured_data()
    upright, turned = (hog_lbp(data.read(data.samples[i])) for i in (0, -1))
    assert upright.shape == turned.shape == (1764 + 448,)
    assert not np.allclose(upright, turned, atol=0.1)
    assert hog_lbp(np.zeros((300, 200), np.uint8)).shape == upright.shape


def test_the_svm_learns_from_the_other_groups_and_predicts_the_test_part(tmp_path: Path) -> None:
    data = textured_data()
    held_out = {"0-0", "0-1", "1-0", "1-1"}
    training = sorted({sample.group for sample in data.samples} - held_out)
    fold = hog_lbp_svm(data, split_of(data, training=training), tmp_path, seed=0)
    expected = [sample for sample in data.samples if sample.group in held_out]
    assert fold.ids == tuple(f"{sample.source}#0" for sample in expected)
    predicted = fold.tables["hog-lbp-svm"].argmax(1)
    assert np.mean(predicted == [sample.target for sample in expected]) > 0.9


def test_settings_are_chosen_on_groups_that_were_held_out() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(0)
    groups = [str(i // 10) for i in range(200)]
    targets = np.array([int(group) % 2 for group in groups])
    centres = rng.normal(size=(20, 5))
    features = (centres[np.arange(200) // 10] + rng.normal(0, 0.01, (200, 5))).astype(np.float32)
    search = fit_grouped(KNeighborsClassifier(), {"n_neighbors": [1]}, features, targets, groups, seed=0)
    assert search.best_score_ < 0.8, "siblings of a frame gave its label away"
    assert search.score(features, targets) == pytest.approx(1.0)


def test_scores_as_probabilities_sum_to_one_and_keep_the_order_of_classes() -> None:
    decision = np.array([[2.1, -0.5, 0.9], [-1.0, 1000.0, 3.0]])
    shares = scores_as_probabilities(decision)
    assert shares.sum(1) == pytest.approx(1.0)
    assert np.array_equal(shares.argsort(1), decision.argsort(1))
    assert scores_as_probabilities(np.array([-0.1, 0.1])).argmax(1).tolist() == [0, 1]
