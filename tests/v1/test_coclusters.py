"""Neurons chosen on one half of the images and scored on the other."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgeneuro.data.recordings import Recording
from edgeneuro.data.recordings.simulated import simulate_session
from edgeneuro.errors import DataError
from edgeneuro.records import to_json
from edgeneuro.v1.coclusters import cocluster


def two_populations() -> Recording:
    """80 images of 4 kinds: 20 neurons follow the kind, 60 others follow something loud that has nothing to do with it."""
    rng = np.random.default_rng(0)
    stimuli = np.tile(np.arange(80), 2)
    kinds = np.eye(4)[stimuli % 4] @ rng.standard_normal((4, 20)) * 3
    state = np.eye(4)[rng.integers(0, 4, 160)] @ rng.standard_normal((4, 60)) * 6
    responses = np.hstack([kinds, state]) + rng.standard_normal((160, 80))
    return Recording(
        name="two populations",
        responses=responses.astype(np.float32),
        stimuli=stimuli,
        groups=stimuli,
        classes=("a", "b", "c", "d"),
        labels=stimuli % 4,
    )


def test_neurons_that_follow_images_score_better_on_images_that_did_not_choose_them() -> None:
    found = cocluster(two_populations(), biclusters=4, clusters=4)
    assert found.chosen.same_image - found.chosen.chance > found.all_neurons.same_image - found.all_neurons.chance + 0.2
    assert np.mean(np.array(found.neurons) < 20) > 0.25 + 0.2
    assert (found.choosing_images, found.held_out_images) == (40, 40)
    assert json.dumps(to_json(found))


def test_too_few_neurons_are_refused() -> None:
    recording = simulate_session(4, neurons=20, images=30, shape=(9, 12)).recording
    with pytest.raises(DataError, match="ask for fewer"):
        cocluster(recording, biclusters=8)
