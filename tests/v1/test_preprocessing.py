"""Preprocessing of a session: units, and which activity the statistics come from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from edgeneuro.data.recordings import Recording
from edgeneuro.data.recordings.simulated import SimulatedRecording, simulate_session
from edgeneuro.errors import DataError
from edgeneuro.v1.preprocessing import ActivityNormalizer, lacking, preprocess


@pytest.fixture(scope="module")
def simulated() -> SimulatedRecording:
    return simulate_session(1, neurons=60, images=40, classes=4, shape=(9, 12))


@pytest.mark.parametrize("directions", [0, 2])
def test_the_normalizer_keeps_the_conventions_of_scikit_learn(directions: int) -> None:
    check_estimator(ActivityNormalizer(directions, random_state=0), on_skip=None)


def test_raw_responses_are_those_recorded(simulated: SimulatedRecording) -> None:
    assert preprocess(simulated.recording, "raw") is simulated.recording.responses


def test_zscore_uses_training_trials_alone(simulated: SimulatedRecording) -> None:
    recording = simulated.recording
    training = np.flatnonzero(~recording.grey)[:30]
    z = preprocess(recording, "zscore", training)
    np.testing.assert_allclose(z[training].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(z[training].std(0), 1, atol=1e-4)
    louder = recording.responses.copy()
    others = np.setdiff1d(np.arange(recording.trials), training)
    louder[others] *= 100
    np.testing.assert_array_equal(
        preprocess(recording.with_responses(louder), "zscore", training)[training], z[training]
    )


def test_grey_norm_puts_grey_trials_at_zero_with_an_sd_of_one(simulated: SimulatedRecording) -> None:
    z = preprocess(simulated.recording, "grey_norm", np.arange(5))
    np.testing.assert_allclose(z[simulated.recording.grey].mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(z[simulated.recording.grey].std(0), 1, atol=1e-3)
    assert z[~simulated.recording.grey].std() > 1.2


def test_spont32_takes_out_what_neurons_share_without_a_stimulus(simulated: SimulatedRecording) -> None:
    recording = simulated.recording
    assert recording.spontaneous is not None
    unit = simulated.directions * (1 / recording.spontaneous.std(0))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    along_before = (preprocess(recording, "zscore") @ unit.T).std(0)
    along_after = (preprocess(recording, "spont32") @ unit.T).std(0)
    assert (along_after[:4] < 0.3 * along_before[:4]).all()


def test_spont32_leaves_no_mean_over_training_trials(simulated: SimulatedRecording) -> None:
    training = np.flatnonzero(~simulated.recording.grey)[:20]
    responses = preprocess(simulated.recording, "spont32", training)
    np.testing.assert_allclose(responses[training].mean(0), 0, atol=1e-5)
    assert np.abs(responses.mean(0)).max() > 0.01


def test_float32_stays_float32(simulated: SimulatedRecording) -> None:
    methods: Any = ("zscore", "spont32", "grey_norm")
    assert {preprocess(simulated.recording, method).dtype for method in methods} == {np.dtype(np.float32)}


def test_a_constant_neuron_becomes_zero_and_not_nan() -> None:
    np.testing.assert_array_equal(ActivityNormalizer().fit_transform(np.full((4, 1), 7.0)), 0)


def test_a_session_without_the_activity_that_a_method_needs_says_so(simulated: SimulatedRecording) -> None:
    bare: Recording = replace(simulated.recording, spontaneous=None).only(~simulated.recording.grey)
    assert lacking(bare, "zscore") is None
    assert lacking(bare, "spont32") == "simulated-1 has no spontaneous"
    with pytest.raises(DataError, match="0 trials of the grey screen"):
        preprocess(bare, "grey_norm")


def test_one_training_trial_is_refused(simulated: SimulatedRecording) -> None:
    with pytest.raises(DataError, match="got 1 training trials"):
        preprocess(simulated.recording, "zscore", np.flatnonzero(~simulated.recording.grey)[:1])
