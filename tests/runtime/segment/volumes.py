"""A small volume and an engine for it, on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from edgeneuro.data.volumes import read_volume
from edgeneuro.runtime.segment.records import Summary
from edgeneuro.runtime.segment.run import segment_volume
from edgeneuro.runtime.segment.workers import Here
from edgeneuro.spec import Array
from tests.runtime.test_whole_frame import speckle
from tests.runtime.tiled_bundles import TILE_2D, TILE_3D, mask_by_hand, write_tiled_bundle

SHAPE = (13, 40, 50)


@dataclass(frozen=True)
class Case:
    """folder/v.zarr, folder/m.edge and folder/mask.zarr, which is to be made."""

    folder: Path
    voxels: Array

    @property
    def volume(self) -> Path:
        return self.folder / "v.zarr"

    @property
    def engine(self) -> Path:
        return self.folder / "m.edge"

    @property
    def out(self) -> Path:
        return self.folder / "mask.zarr"

    def run(self, **options: Any) -> Summary:
        """Here, in chunks of 20 voxels."""
        how: dict[str, Any] = {"chunk": 20, "workers": Here(1), **options}
        return segment_volume(self.volume, self.engine, self.out, **how)

    def mask(self) -> Array:
        return read_volume(self.out).voxels

    def expected(self, levels: tuple[float, float] | None = None) -> Array:
        """The mask of the whole volume blended at once, or of every plane."""
        if self.planes:
            levels = levels or (np.percentile(self.voxels, 0.1), np.percentile(self.voxels, 99.9))
            return np.stack([mask_by_hand(self.engine, plane, levels) for plane in self.voxels])
        return mask_by_hand(self.engine, self.voxels, levels)

    planes: bool = False

    def notes(self) -> dict[tuple[int, ...], dict[str, Any]]:
        """Chunk -> what the ledger says of it."""
        files = (self.folder / "mask.zarr.ledger" / "done").rglob("[0-9]*.json")
        return {tuple(note["chunk"]): note for note in (json.loads(file.read_bytes()) for file in files)}


def write_case(folder: Path, shape: tuple[int, ...] = SHAPE, *, planes: bool = False) -> Case:
    """planes: an engine for images."""
    voxels = speckle(shape)
    array = zarr.open_array(str(folder / "v.zarr"), mode="w", shape=shape, chunks=(5, 16, 16), dtype=voxels.dtype)
    array[...] = voxels
    array.attrs["spacing_um"] = [1.0, 0.3, 0.25]
    write_tiled_bundle(folder / "m.edge", TILE_2D if planes else TILE_3D)
    return Case(folder, voxels, planes=planes)
