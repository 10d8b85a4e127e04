"""Which image a trial showed, and how that and other scores grow with neurons."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.data.recordings import Recording
from edgeneuro.data.recordings.simulated import Strengths, simulate_session
from edgeneuro.errors import DataError
from edgeneuro.v1.decoding.identity import decode_identity
from edgeneuro.v1.decoding.neuron_counts import score_by_neurons
from tests.v1.decoding_sessions import images_without_kinds


def test_images_with_a_pattern_of_their_own_are_known_again() -> None:
    found = decode_identity(images_without_kinds(images=50), method="zscore")
    assert found.accuracy.value > 0.95 and found.chance == 0.02 and found.median_rank == 1


def test_without_any_drive_the_answer_is_at_chance() -> None:
    silent = simulate_session(6, neurons=40, images=60, shape=(9, 12), strengths=Strengths(signal=0)).recording
    found = decode_identity(silent)
    assert found.accuracy.value < 0.1 and 15 < found.median_rank < 45


def test_equal_responses_to_all_images_are_no_answer() -> None:
    stimuli = np.tile(np.arange(4), 2)
    same = np.tile(np.array([1, 2, 3], np.float32), (8, 1))
    recording = Recording(
        name="same", responses=same, stimuli=stimuli, groups=stimuli, classes=(), labels=-np.ones_like(stimuli)
    )
    assert decode_identity(recording, method="raw").accuracy.value == 0


def test_more_neurons_know_more_images() -> None:
    recording = images_without_kinds(images=50)
    few, all_of_them = score_by_neurons(
        recording, lambda one: decode_identity(one, method="raw").accuracy.value, (3, 30), draws=4
    )
    assert few.mean < 0.6 and all_of_them.mean > 0.9
    assert (len(few.scores), len(all_of_them.scores)) == (4, 1) and few.sd > 0


def test_drawn_neurons_keep_what_belongs_to_them() -> None:
    recording = simulate_session(6, neurons=20, images=10, shape=(9, 12)).recording
    seen: list[Recording] = []

    def remember(one: Recording) -> float:
        seen.append(one)
        return 0.0

    score_by_neurons(recording, remember, (5,), draws=1)
    (drawn,) = seen
    assert drawn.positions_um is not None and drawn.spontaneous is not None and recording.positions_um is not None
    place = [int(np.flatnonzero((recording.positions_um == row).all(1))[0]) for row in drawn.positions_um]
    np.testing.assert_array_equal(drawn.responses, recording.responses[:, place])
    assert len(set(place)) == 5


def test_more_neurons_than_there_are_is_refused() -> None:
    with pytest.raises(DataError, match="expected 1 to 30"):
        score_by_neurons(images_without_kinds(), lambda one: 0.0, (31,))
