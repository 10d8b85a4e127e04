"""What a recording is made of, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeneuro.data.recordings import GREY, UNKNOWN, Recording
from edgeneuro.data.recordings.recording import usable_neurons
from edgeneuro.errors import DataError


def recording(**changed: Any) -> Recording:
    """Five trials of two neurons: images 0, 1, grey, 1, 0."""
    stimuli = np.array([0, 1, GREY, 1, 0])
    plain = Recording(
        name="session",
        responses=np.arange(10, dtype=np.float32).reshape(5, 2),
        stimuli=stimuli,
        groups=stimuli,
        classes=("bird", "cat"),
        labels=np.array([0, 1, UNKNOWN, 1, 0]),
    )
    return replace(plain, **changed)


def test_repeats_are_the_first_two_trials_of_each_stimulus_shown_twice() -> None:
    stimuli = np.array([1, 0, GREY, 1, 1])
    numbers, pairs = recording(stimuli=stimuli).repeats()
    assert numbers.tolist() == [1]
    np.testing.assert_array_equal(pairs[:, 0], [[0, 1], [6, 7]])


def test_a_session_that_shows_everything_once_says_that_it_has_no_repeats() -> None:
    with pytest.raises(DataError, match="shows none of its 3 stimuli twice"):
        recording(stimuli=np.array([0, 1, GREY, GREY, 2])).repeats()


def test_grey_trials_are_told_from_images() -> None:
    assert recording().grey.tolist() == [False, False, True, False, False]


def test_only_takes_trials_of_everything_that_is_one_a_trial() -> None:
    part = recording(traces={"speed": np.arange(5)}).only(np.array([0, 3]))
    assert (
        part.stimuli.tolist() == [0, 1] and part.labels.tolist() == [0, 1] and part.traces["speed"].tolist() == [0, 3]
    )
    np.testing.assert_array_equal(part.responses, [[0, 1], [6, 7]])


def test_what_a_session_lacks_is_named() -> None:
    assert recording().lacks("images", "positions_um") == "session has no images and no positions_um"
    assert recording(positions_um=np.zeros((2, 3))).lacks("positions_um") is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"responses": np.zeros((0, 2), np.float32)}, "none of them 0"),
        ({"responses": np.zeros(5, np.float32)}, r"expected \(trial, neuron\)"),
        ({"stimuli": np.zeros(4, np.int64)}, "5 trials of responses and 4 of stimuli"),
        ({"labels": np.zeros(6, np.int64)}, "5 trials of responses and 6 of labels"),
        ({"traces": {"speed": np.zeros(3)}}, "5 trials of responses and 3 of speed"),
        ({"positions_um": np.zeros((3, 3))}, "2 neurons in responses and 3 in positions_um"),
        ({"spontaneous": np.zeros((7, 1), np.float32)}, "2 neurons in responses and 1 in spontaneous"),
        ({"images": np.zeros((1, 8, 8))}, "shows stimulus 1, but has 1 images"),
        ({"labels": np.array([0, 1, 2, 0, 0])}, "labels go up to 2, expected below 2"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_both_numbers(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        recording(**changed)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_and_counted_by_neuron(bad: float) -> None:
    responses = np.ones((5, 2), np.float32)
    responses[3, 1] = bad
    with pytest.raises(DataError, match="responses of 1 neurons are NaN or infinite"):
        recording(responses=responses)
    with pytest.raises(DataError, match="spontaneous of 2 neurons are NaN or infinite"):
        recording(spontaneous=np.full((3, 2), bad, np.float32))


def test_neurons_with_nan_and_neurons_that_never_change_cannot_be_used() -> None:
    responses = np.array([[1, 5, np.nan, 0], [2, 5, 1, 3]], np.float32)
    kept, dropped = usable_neurons(responses, np.array([[0, 0, 0, np.inf]]))
    assert kept.tolist() == [True, False, False, False]
    assert dropped == {"neuron with NaN or infinity": 2, "neuron whose response never changes": 1}
