"""Splits of trials: grouped ones keep groups whole, leaky ones do not, and every class is trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeneuro.data.recordings import GREY, Recording
from edgeneuro.data.recordings.simulated import simulate_session
from edgeneuro.errors import DataError
from edgeneuro.v1.splits import split_trials


def blocks(count: int, classes: int) -> Recording:
    """`count` blocks of every class once."""
    labels = np.tile(np.arange(classes), count)
    return Recording(
        name="blocks",
        responses=np.random.default_rng(0).standard_normal((len(labels), 3)).astype(np.float32),
        stimuli=labels,
        groups=np.repeat(np.arange(count), classes),
        classes=tuple(f"class {number}" for number in range(classes)),
        labels=labels,
    )


def test_few_groups_are_left_out_in_turn() -> None:
    recording = blocks(5, 3)
    folds = split_trials(recording)
    assert [np.unique(recording.groups[fold.test]).tolist() for fold in folds] == [[0], [1], [2], [3], [4]]
    assert folds.words == "grouped: each of 5 groups left out in turn"
    assert sorted(folds.tested) == list(range(15))


def test_many_groups_are_split_once_and_stay_whole() -> None:
    recording = simulate_session(2, neurons=12, images=60, classes=4, shape=(9, 12)).recording
    (fold,) = split_trials(recording)
    assert not set(recording.groups[fold.training]) & set(recording.groups[fold.test])
    assert len(fold.test) == pytest.approx(0.2 * 120, abs=4)
    assert set(recording.labels[fold.test]) == {0, 1, 2, 3}
    assert GREY not in recording.stimuli[np.r_[fold.training, fold.test]]


def test_a_leaky_split_has_images_on_both_sides_and_is_called_so() -> None:
    recording = simulate_session(2, neurons=12, images=60, classes=4, shape=(9, 12)).recording
    folds = split_trials(recording, protocol="leaky")
    (fold,) = folds
    assert len(set(recording.groups[fold.training]) & set(recording.groups[fold.test])) > 10
    assert folds.words.startswith("leaky")


def test_the_seed_decides() -> None:
    recording = simulate_session(2, neurons=12, images=60, classes=4, shape=(9, 12)).recording
    first, again, other = (split_trials(recording, seed=seed).tested.tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_a_class_of_one_group_is_refused_by_name() -> None:
    recording = blocks(3, 2)
    lonely = replace(recording, labels=np.where(recording.groups == 1, 1, 0))
    with pytest.raises(DataError, match="no trial of class 1"):
        split_trials(lonely)


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="1 classes in 3 groups"):
        split_trials(blocks(3, 1))
