"""Preprocessing of networks that cover images and volumes of any size with tiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeneuro.errors import FrameError, InputError
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import from_json, to_json
from edgeneuro.tiled import FULL, Tiled

FLAT = Preprocess(
    height=4, width=6, bit_depth=16, max_value=FULL, mean=(0.25,), std=(0.5,), tiled=Tiled(low=0, high=100)
)
DEEP = replace(FLAT, depth=3)
IMAGE = np.arange(80, dtype=np.uint8).reshape(8, 10)
VOLUME = np.arange(3 * 4 * 6, dtype=np.uint16).reshape(3, 4, 6)


def test_the_tile_has_a_depth_only_of_volumes() -> None:
    assert (FLAT.tile, DEEP.tile) == ((4, 6), (3, 4, 6))


def test_a_whole_frame_keeps_its_size_and_spans_16_bits() -> None:
    whole = FLAT.whole(IMAGE)
    assert whole.shape == (8, 10) and whole.dtype == np.uint16
    assert (whole.min(), whole.max()) == (0, FULL)
    assert DEEP.whole(np.concatenate([VOLUME, VOLUME])).shape == (6, 4, 6)


def test_levels_that_are_given_stand_in_for_those_of_the_frame() -> None:
    np.testing.assert_array_equal(FLAT.whole(IMAGE[:4], (0.0, 79.0)), FLAT.whole(IMAGE)[:4])


def test_a_tile_is_normalised_and_never_resized() -> None:
    tensor = FLAT(FLAT.whole(IMAGE)[:4, :6])
    assert tensor.shape == (1, 4, 6) and tensor.dtype == np.float32
    assert tensor[0, 0, 0] == -0.5 and tensor[0, 3, 5] == pytest.approx((35 / 79 - 0.25) / 0.5, abs=1e-4)
    assert DEEP(DEEP.whole(VOLUME)).shape == (1, 3, 4, 6)
    assert DEEP(DEEP.whole(VOLUME))[0, 2, 3, 5] == pytest.approx(1.5)


@pytest.mark.parametrize("tile", [IMAGE[:4, :6], np.zeros((4, 7), np.uint16), np.zeros((3, 4, 6), np.uint16)])
def test_what_is_no_tile_is_refused(tile: Any) -> None:
    with pytest.raises(FrameError, match=r"expected \(4, 6\) of uint16; scale the whole frame first"):
        FLAT(tile)


def test_colour_becomes_grey_in_images_alone() -> None:
    grey = np.tile(np.arange(40, dtype=np.uint8), (40, 1))
    np.testing.assert_array_equal(FLAT.whole(np.dstack([grey] * 3)), FLAT.whole(grey))
    with pytest.raises(
        FrameError, match=r"expected \(depth, height, width\) in grey; choose one channel, or a network for images"
    ):
        DEEP.whole(grey)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    frame = IMAGE.astype(np.float32)
    frame[2, 3] = value
    with pytest.raises(FrameError, match="holds NaN or infinity"):
        FLAT.whole(frame)


def test_a_network_that_resizes_cuts_no_tiles() -> None:
    with pytest.raises(InputError, match="cuts no tiles; give whole frames to the network"):
        Preprocess(height=32, width=32).whole(IMAGE)


@pytest.mark.parametrize(
    "how", [{"bit_depth": 8}, {"max_value": 255.0}, {"channels": 3}, {"depth": 0}, {"tiled": None, "depth": 3}]
)
def test_tiles_are_grey_and_of_16_bits_and_depth_is_of_tiles_alone(how: dict[str, Any]) -> None:
    with pytest.raises(
        InputError, match="expected a depth from 1 in tiles alone, and tiles grey, of 16 bits and 65535"
    ):
        replace(FLAT, **how)


def test_it_survives_the_manifest() -> None:
    assert from_json(Preprocess, to_json(DEEP), "preprocess") == DEEP
