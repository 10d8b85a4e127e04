"""What calibration looks at when it chooses frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeneuro.calibration.look import SIDE_PX, look_at, picture
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.spec import Array

ONE = Sample(source="one", index=0, target=None, group="a")


def holding(frame: Array) -> DataSet:
    return DataSet(name="one", classes=(), samples=(ONE,), reader=lambda _: frame)


def test_a_tile_of_a_volume_is_looked_at_from_above() -> None:
    volume = np.zeros((4, 40, 48), np.uint16)
    volume[3, 7, :] = 60000
    seen = picture(replace(holding(volume), tile=volume.shape), ONE)
    assert seen.shape == (40, 48)
    assert np.flatnonzero(seen.max(axis=1)).tolist() == [7]


def test_a_small_tile_is_filled_up_so_that_it_can_be_looked_at() -> None:
    tile = np.arange(16 * 20, dtype=np.uint16).reshape(16, 20) * 200
    seen = picture(replace(holding(tile), tile=tile.shape), ONE)
    assert seen.shape == (SIDE_PX, SIDE_PX)
    assert np.array_equal(seen[:16, :20], tile)
    assert look_at(seen).spread > 0


def test_a_whole_frame_is_looked_at_as_it_is() -> None:
    frame = np.zeros((5, 5), np.uint8)
    assert picture(holding(frame), ONE) is frame
