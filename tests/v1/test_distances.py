"""Distances of same-image pairs against others."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.data.recordings import Recording
from edgeneuro.data.recordings.simulated import Strengths, simulate_session
from edgeneuro.errors import DataError
from edgeneuro.v1.distances import distance_check


def session(responses: list[list[float]], stimuli: list[int]) -> Recording:
    numbers = np.array(stimuli)
    return Recording(
        name="small",
        responses=np.array(responses, np.float32),
        stimuli=numbers,
        groups=numbers,
        classes=(),
        labels=-np.ones_like(numbers),
    )


def test_distances_are_those_computed_by_hand() -> None:
    found = distance_check(session([[0, 0], [10, 0], [0, 1], [10, 3]], [0, 1, 0, 1]), "raw")
    assert (found.same.mean, found.same.sd, found.same.largest) == (2.0, 1.0, 3.0)
    assert found.other.mean == pytest.approx((np.hypot(10, 3) + np.hypot(10, 1)) / 2, rel=1e-6)
    assert found.closer == 1.0


def test_trials_of_one_image_are_closer_only_where_images_drive_neurons() -> None:
    driven = simulate_session(3, neurons=40, images=80, shape=(9, 12), strengths=Strengths(signal=3, shared=0.1))
    silent = simulate_session(3, neurons=40, images=80, shape=(9, 12), strengths=Strengths(signal=0))
    assert distance_check(driven.recording, "zscore").closer > 0.9
    assert distance_check(silent.recording, "zscore").closer == pytest.approx(0.5, abs=0.17)  # 3 sd of 80 coins


def test_one_stimulus_is_too_few() -> None:
    with pytest.raises(DataError, match="1 stimulus twice"):
        distance_check(session([[0, 0], [0, 1], [5, 5]], [0, 0, 1]), "raw")
