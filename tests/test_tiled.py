"""Whole frames scaled by their own percentiles, before they are cut into tiles."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.errors import InputError
from edgeneuro.tiled import FULL, Tiled, between, percentile_levels

RAMP = np.arange(101, dtype=np.uint16)


def test_levels_are_percentiles_of_everything() -> None:
    assert percentile_levels(RAMP, 10, 90) == (10.0, 90.0)
    assert Tiled(low=0, high=50).levels(RAMP.reshape(1, 101)) == (0.0, 50.0)


def test_what_lies_between_the_levels_rises_from_0_to_1_and_the_rest_is_clipped() -> None:
    scaled = between(RAMP, (20.0, 60.0))
    assert scaled.dtype == np.float32
    assert (scaled[20], scaled[40], scaled[60]) == (0.0, 0.5, 1.0)
    assert scaled[:20].max() == 0.0 and scaled[60:].min() == 1.0


def test_a_frame_of_one_grey_level_is_0_everywhere() -> None:
    flat = np.full((3, 4), 77, np.uint8)
    tiled = Tiled()
    np.testing.assert_array_equal(tiled.scaled(flat, tiled.levels(flat)), np.zeros((3, 4), np.uint16), strict=True)


def test_scaling_ends_at_the_largest_number_of_16_bits_whatever_the_frame_was_recorded_in() -> None:
    tiled = Tiled(low=0, high=100)
    for kind in (np.uint8, np.int16, np.float32):
        frame = RAMP.astype(kind)
        scaled = tiled.scaled(frame, tiled.levels(frame))
        assert scaled.dtype == np.uint16 and (scaled[0], scaled[100]) == (0, FULL)
        assert scaled[50] == 32768  # 32767.5, halves to even


def test_a_part_scaled_by_the_levels_of_the_whole_is_that_part_of_the_whole() -> None:
    tiled = Tiled()
    levels = tiled.levels(RAMP)
    np.testing.assert_array_equal(tiled.scaled(RAMP[30:40], levels), tiled.scaled(RAMP, levels)[30:40])
    assert not np.array_equal(tiled.scaled(RAMP[30:40], tiled.levels(RAMP[30:40])), tiled.scaled(RAMP, levels)[30:40])


def test_overlaps_are_whole_voxels_of_every_side() -> None:
    assert Tiled(overlap=0.25).overlaps((64, 128, 30)) == (16, 32, 7)


@pytest.mark.parametrize("how", [{"low": 50.0, "high": 50.0}, {"high": 101.0}, {"low": -1.0}, {"overlap": 0.6}])
def test_percentiles_and_overlaps_that_make_no_sense_are_refused(how: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"expected percentiles that rise within 0\.\.100 and an overlap of 0 to 0.5"):
        Tiled(**how)
