"""Simulated sessions hold the truth that they say they do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeneuro.data.recordings import GREY, UNKNOWN
from edgeneuro.data.recordings.simulated import PLANES, SimulatedRecording, Strengths, simulate_session
from edgeneuro.errors import DataError


@pytest.fixture(scope="module")
def session() -> SimulatedRecording:
    return simulate_session(5, neurons=60, images=80, classes=4)


def test_every_image_is_shown_twice_with_grey_screens_between(session: SimulatedRecording) -> None:
    stimuli = session.recording.stimuli
    assert np.bincount(stimuli[stimuli != GREY]).tolist() == [2] * 80
    assert np.count_nonzero(stimuli == GREY) == 8  # every twentieth trial of all
    assert set(stimuli[:100].tolist()) > set(range(80))  # once each before any comes again


def test_labels_are_the_kinds_of_the_images_and_grey_has_none(session: SimulatedRecording) -> None:
    recording = session.recording
    assert np.bincount(recording.labels[~recording.grey]).tolist() == [40] * 4
    assert set(recording.labels[recording.grey].tolist()) == {UNKNOWN}


def test_the_same_seed_gives_the_same_session_and_another_seed_another(session: SimulatedRecording) -> None:
    again = simulate_session(5, neurons=60, images=80, classes=4)
    np.testing.assert_array_equal(again.recording.responses, session.recording.responses)
    other = simulate_session(6, neurons=60, images=80, classes=4)
    assert not np.array_equal(other.recording.responses, session.recording.responses)


def test_cells_lie_on_eleven_planes(session: SimulatedRecording) -> None:
    assert session.recording.positions_um is not None
    assert set(np.diff(np.unique(session.recording.positions_um[:, 2])).tolist()) <= {
        35.0 * n for n in range(1, PLANES)
    }


def test_without_noise_a_neuron_answers_to_what_passes_its_gabor_patch() -> None:
    clean = simulate_session(2, neurons=12, images=50, strengths=Strengths(gain=0.0, shared=0.0, noise=0.0))
    images = clean.recording.images
    assert images is not None
    flat = images.reshape(50, -1) - 128.0
    passed = (flat / np.linalg.norm(flat, axis=1, keepdims=True)) @ clean.fields.patches(slice(None), (17, 68)).T
    _, (first, second) = clean.recording.repeats()
    np.testing.assert_array_equal(first, second)
    expected = np.maximum(passed, 0)
    np.testing.assert_allclose(first, expected / expected.std(0), rtol=1e-3, atol=1e-3)
    assert not clean.recording.responses[clean.recording.grey].any()


def test_patches_have_length_one_and_no_mean(session: SimulatedRecording) -> None:
    patches = session.fields.patches(slice(None), (17, 68))
    np.testing.assert_allclose(np.linalg.norm(patches, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(patches.sum(1), 0.0, atol=1e-4)


def test_spontaneous_activity_varies_most_along_the_shared_directions(session: SimulatedRecording) -> None:
    spontaneous = session.recording.spontaneous
    assert spontaneous is not None
    top = np.linalg.svd(spontaneous - spontaneous.mean(0), full_matrices=False)[2][:8]
    aligned = np.linalg.svd(top @ session.directions.T, compute_uv=False)
    assert aligned[:4].min() > 0.9


def test_shared_gain_scales_all_neurons_of_a_trial() -> None:
    only_gain = simulate_session(2, neurons=12, images=20, strengths=Strengths(gain=0.5, shared=0.0, noise=0.0))
    numbers, pairs = only_gain.recording.repeats()
    ratio = only_gain.gains[[np.flatnonzero(only_gain.recording.stimuli == number) for number in numbers]]
    np.testing.assert_allclose(pairs[1], pairs[0] * (ratio[:, 1] / ratio[:, 0])[:, None], rtol=1e-4)


def test_fields_follow_the_cells_only_where_there_is_a_map() -> None:
    def correlation(visual_map: float) -> Any:
        made = simulate_session(3, neurons=200, images=20, visual_map=visual_map)
        assert made.recording.positions_um is not None
        return np.corrcoef(made.fields.centre_x, made.recording.positions_um[:, 0])[0, 1]

    assert correlation(1.0) > 0.99 and abs(correlation(0.0)) < 0.25


@pytest.mark.parametrize(
    "few", [{"neurons": 8}, {"images": 3}, {"classes": 1}, {"shape": (7, 68)}, {"visual_map": 2.0}]
)
def test_sessions_too_small_to_mean_anything_are_refused(few: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="expected more than 8 neurons"):
        simulate_session(0, **few)
