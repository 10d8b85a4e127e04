"""Decoding with honest and leaky splits, SMOTE on training data only, and what stands beside an accuracy."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.neighbors import KNeighborsClassifier

from edgeneuro.data.recordings import UNKNOWN
from edgeneuro.data.recordings.gratings import read_gratings
from edgeneuro.errors import DataError
from edgeneuro.records import to_json
from edgeneuro.v1.decoding import decoders
from edgeneuro.v1.decoding.decode import decode
from edgeneuro.v1.decoding.decoders import DECODERS, Decoder
from tests.conftest import RealData
from tests.v1.decoding_sessions import blocks_of_gratings, images_without_kinds, uneven_classes


@pytest.fixture
def nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder "nearest" that answers with the class of the most similar training trial."""
    plain = Decoder(title="nearest", classify=lambda fitting: KNeighborsClassifier(1), smote=False)
    monkeypatch.setattr(decoders, "DECODERS", {**DECODERS, "nearest": plain})


def test_classes_that_drive_neurons_are_decoded_from_blocks_left_out() -> None:
    (found,) = decode(blocks_of_gratings(2.0), permutations=9)
    assert found.accuracy.value > 0.9 and found.p_value == 1 / 10
    assert (found.tested, found.chance, found.majority_share) == (24, 0.25, 0.25)
    assert found.split == "grouped: each of 6 groups left out in turn"
    assert json.dumps(to_json(found))


@pytest.mark.data("v1_gratings_2p")
def test_a_real_session_is_decoded_as_well_as_its_readme_says(real_data: RealData) -> None:
    (path,) = (real_data("v1_gratings_2p") / "sessions").glob("mrcuts28*.npz")
    (found,) = decode(read_gratings(path))
    assert found.accuracy.value == pytest.approx(0.81, abs=0.025)  # of 104 trials, 2 more or fewer


def test_noise_is_not_decoded() -> None:
    (found,) = decode(blocks_of_gratings(0.0), permutations=9)
    assert found.p_value is not None and found.p_value > 0.1
    assert found.accuracy.low < 0.25


@pytest.mark.usefixtures("nearest")
def test_where_images_are_known_again_the_leaky_split_flatters_and_the_grouped_one_does_not() -> None:
    recording = images_without_kinds()
    (honest,) = decode(recording, ["nearest"])
    (leaky,) = decode(recording, ["nearest"], protocol="leaky", permutations=9)
    assert leaky.accuracy.value > 0.7 and leaky.split.startswith("leaky")
    assert honest.accuracy.value == pytest.approx(1 / 3, abs=0.3) and honest.protocol == "grouped"
    assert (
        leaky.p_value is not None and leaky.p_value > 0.1
    )  # image by image permuted labels are "decoded" just as well


def test_smote_sees_training_trials_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    class Watched(SMOTE):  # type: ignore[misc]
        def fit_resample(self, X: Any, y: Any, **given: Any) -> Any:
            more = super().fit_resample(X, y, **given)
            seen.append((len(X), len(more[0])))
            return more

    monkeypatch.setattr(decoders, "SMOTE", Watched)
    balanced = Decoder(title="nearest", classify=lambda fitting: KNeighborsClassifier(1))
    monkeypatch.setattr(decoders, "DECODERS", {"nearest": balanced})
    (found,) = decode(uneven_classes(), ["nearest"])
    assert seen == [(64, 96)]  # 48 of the frequent class, and as many of the other
    assert found.tested == 16


def test_accuracy_stands_beside_the_majority_share_and_chance() -> None:
    (found,) = decode(uneven_classes(), permutations=99)
    assert found.majority_share == 0.75 and found.chance == 0.5
    assert sum(map(sum, found.confusion)) == 16
    assert found.accuracy.value == 1.0
    assert found.p_value == pytest.approx(
        1 / 28, abs=0.056
    )  # 2 of 8 images can be chosen in 28 ways; 3 sd of 99 permutations


def test_trials_without_a_class_are_left_out() -> None:
    recording = uneven_classes()
    labels = np.where(recording.groups < 4, UNKNOWN, recording.labels)
    (found,) = decode(replace(recording, labels=labels))
    assert found.tested == pytest.approx(0.2 * 72, abs=2)


def test_the_seed_makes_it_repeatable() -> None:
    recording = uneven_classes()
    assert decode(recording, seed=3, permutations=5) == decode(recording, seed=3, permutations=5)


def test_progress_is_told_each_decoder() -> None:
    told: list[str] = []
    decode(uneven_classes(), ["lda"], progress=told.append)
    assert told == ["lda"]


def test_an_unknown_decoder_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="'tree': is not known; expected one of lda, forest"):
        decode(uneven_classes(), ["tree"])
