"""Labels from low-level statistics of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeneuro.data.recordings import UNKNOWN
from edgeneuro.data.recordings.simulated import simulate_session
from edgeneuro.errors import DataError
from edgeneuro.v1.decoding.image_statistics import STATISTICS, image_statistics, label_by


def stripes(direction_deg: float, cycles_per_px: float) -> NDArray[np.float64]:
    """(48, 64): brightness changes along `direction_deg`, clockwise from rightwards as seen, y growing downwards."""
    y, x = np.mgrid[:48, :64]
    angle = np.radians(direction_deg)
    grey: NDArray[np.float64] = 128 + 50 * np.sin(2 * np.pi * cycles_per_px * (x * np.cos(angle) + y * np.sin(angle)))
    return grey


def test_orientation_is_that_of_the_stripes() -> None:
    found = image_statistics(np.stack([stripes(angle, 0.1) for angle in (0, 45, 90, 135)]))
    np.testing.assert_allclose(found.orientation % 180, [90, 135, 0, 45], atol=3)


def test_frequency_is_that_of_the_stripes() -> None:
    found = image_statistics(np.stack([stripes(30, 0.05), stripes(30, 0.2)]))
    np.testing.assert_allclose(found.frequency, [0.05, 0.2], atol=0.01)  # one bin is 1/64


def test_luminance_and_contrast_are_mean_and_sd() -> None:
    found = image_statistics(np.array([[[0, 2], [2, 0]], [[5, 5], [5, 5]]], np.uint8))
    assert found.luminance.tolist() == [1, 5] and found.contrast.tolist() == [1, 0]


@pytest.mark.parametrize("statistic", STATISTICS)
def test_quantiles_hold_as_many_images_each(statistic: str) -> None:
    recording = simulate_session(5, neurons=12, images=40, shape=(9, 12)).recording
    labelled = label_by(recording, statistic, bins=4)
    shown, first = np.unique(labelled.stimuli, return_index=True)
    assert np.bincount(labelled.labels[first[shown >= 0]]).tolist() == [10, 10, 10, 10]
    assert (labelled.labels[labelled.grey] == UNKNOWN).all() and len(labelled.classes) == 4


def test_larger_luminance_is_a_later_class() -> None:
    labelled = label_by(simulate_session(5, neurons=12, images=40, shape=(9, 12)).recording, "luminance", bins=2)
    assert labelled.images is not None
    bright = [labelled.images[labelled.stimuli[labelled.labels == number]].mean((1, 2)) for number in (0, 1)]
    assert bright[0].max() <= bright[1].min()


def test_a_session_without_images_says_so() -> None:
    recording = replace(simulate_session(5, neurons=12, images=10, shape=(9, 12)).recording, images=None)
    with pytest.raises(DataError, match="has no images"):
        label_by(recording, "contrast")


def test_more_bins_than_images_are_refused() -> None:
    with pytest.raises(DataError, match="cannot be put into 20 bins"):
        label_by(simulate_session(5, neurons=12, images=10, shape=(9, 12)).recording, "contrast", bins=20)
