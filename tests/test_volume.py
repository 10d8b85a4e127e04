"""Volumes: what they accept, and how they are brought to one scale."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.errors import ShapeError
from edgeneuro.spec import Array
from edgeneuro.volume import Volume


def volume(voxels: object, spacing_um: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
    return Volume(voxels=np.asarray(voxels), spacing_um=spacing_um)


def test_normalising_goes_from_the_low_to_the_high_percentile() -> None:
    grey = np.arange(101, dtype=np.uint16).reshape(1, 1, 101)  # the p-th percentile is p
    scaled = volume(grey).normalised(10, 90)
    assert scaled.dtype == np.float32 and scaled.shape == (1, 1, 101)
    np.testing.assert_allclose(scaled[0, 0, [0, 10, 50, 90, 100]], [0, 0, 0.5, 1, 1], atol=1e-6)


def test_one_hot_voxel_in_many_does_not_darken_the_rest() -> None:
    grey = np.tile(np.arange(100, dtype=np.float32), 100).reshape(1, 100, 100)
    hot = grey.copy()
    hot[0, 0, 0] = 1e6
    np.testing.assert_allclose(volume(hot).normalised()[0, 1], volume(grey).normalised()[0, 1], atol=0.02)


def test_gain_and_offset_of_a_microscope_leave_no_trace() -> None:
    grey = np.random.default_rng(0).integers(0, 1000, (2, 8, 8)).astype(np.uint16)
    np.testing.assert_allclose(volume(3 * grey + 50).normalised(), volume(grey).normalised(), atol=1e-5)


def test_a_volume_of_one_grey_value_is_black() -> None:
    assert not volume(np.full((2, 3, 4), 7, np.int32)).normalised().any()


@pytest.mark.parametrize(
    "voxels", [np.zeros((4, 4)), np.zeros((0, 4, 4)), np.zeros((1, 2, 2), np.complex64), np.zeros((1, 2, 2), np.bool_)]
)
def test_what_is_no_grey_volume_is_refused(voxels: Array) -> None:
    with pytest.raises(ShapeError, match=r"expected \(z, y, x\)"):
        volume(voxels)


@pytest.mark.parametrize("spacing", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, float("nan"))])
def test_a_spacing_that_is_no_distance_is_refused(spacing: tuple[float, float, float]) -> None:
    with pytest.raises(ShapeError, match="spacing"):
        volume(np.zeros((1, 2, 2)), spacing)


def test_nan_is_refused_with_their_number() -> None:
    grey = np.zeros((1, 2, 2), np.float32)
    grey[0, 0, :] = np.nan, np.inf
    with pytest.raises(ShapeError, match="2 of 4 voxels"):
        volume(grey)


@pytest.mark.parametrize(("low", "high"), [(50, 50), (-1, 99), (0, 101)])
def test_percentiles_that_do_not_rise_are_refused(low: float, high: float) -> None:
    with pytest.raises(ShapeError, match="percentiles"):
        volume(np.zeros((1, 2, 2))).normalised(low, high)
