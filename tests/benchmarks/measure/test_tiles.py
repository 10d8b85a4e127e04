"""What networks that cover frames with tiles are timed with where no data set is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks.measure.frames import COUNT, frames_for
from edgeneuro.runtime import read_bundle
from tests.runtime.tiled_bundles import TILE_2D, TILE_3D, write_tiled_bundle


@pytest.mark.parametrize("tile", [TILE_2D, TILE_3D])
def test_networks_for_tiles_are_timed_with_speckle_of_the_size_of_a_tile(tile: tuple[int, ...], tmp_path: Path) -> None:
    frames = frames_for(read_bundle(write_tiled_bundle(tmp_path / "tiles.edge", tile)), None, seed=0)
    assert len(frames.items) == len(frames.feeds) == COUNT
    for item, feed in zip(frames.items, frames.feeds, strict=True):
        assert isinstance(item, np.ndarray)
        assert item.shape == tile
        assert item.dtype == np.uint16
        assert feed["image"].shape == (1, 1, *tile)
    assert (
        frames.described == f"16 synthetic speckle frames of {' x '.join(map(str, reversed(tile)))} px, uint16, seed 0"
    )
