"""A volume that stays in its file, read region by region."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any, final

import numpy as np

from edgeneuro.data.volumes.read import open_stack
from edgeneuro.data.volumes.stack import Stack, read_part, size_of
from edgeneuro.runtime.segment.records import Index3, Source
from edgeneuro.spec import Array
from edgeneuro.tiles import Region
from edgeneuro.volume import UNKNOWN_SPACING

PART_VOXELS = 2**25
"""Read at once where all of a volume is read, as far as its chunks are not larger."""


@final
class OpenSource:
    """A volume, opened; Zarr, HDF5 and .v3draw are read as far as they are asked for, TIFF and images whole, once.

    Raises FrameError as `edgeneuro.data.volumes.read_volume` does.
    """

    def __init__(self, path: Path, *, channel: int | None = None, dataset: str | None = None) -> None:
        self.path, self.channel, self.dataset = path, channel, dataset
        self._opened = ExitStack()
        self.stack = self._opened.enter_context(open_stack(path, dataset))

    def record(self) -> Source:
        """What it is. Raises FrameError for several channels and none chosen."""
        first = self.read((slice(0, 1), slice(0, 1), slice(0, 1)))
        shape = size_of(self.stack)
        return Source(
            path=str(self.path.resolve()),
            dataset=self.dataset,
            channel=self.channel,
            shape=shape,
            dtype=first.dtype.name,
            spacing_um=self.stack.spacing_um or UNKNOWN_SPACING,
            spacing_known=self.stack.spacing_um is not None,
            part=part_size(shape, _chunks(self.stack)),
        )

    def read(self, region: Region) -> Array:
        """(z, y, x) of the region, as recorded. Raises FrameError: damaged, NaN or infinite voxels."""
        return read_part(self.stack, region, self.channel, str(self.path)).voxels

    def close(self) -> None:
        """Release the file."""
        self._opened.close()

    def __enter__(self) -> OpenSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def part_size(shape: Index3, chunk: Index3, voxels: int = PART_VOXELS) -> Index3:
    """As many whole chunks as `voxels` hold, at least one: along x first, then along y and z."""
    size = [min(side, whole) for side, whole in zip(chunk, shape, strict=True)]
    for axis in (2, 1, 0):
        fit = max(1, voxels // math.prod(size))
        size[axis] = min(size[axis] * fit, shape[axis])
    return size[0], size[1], size[2]


def _chunks(stack: Stack) -> Index3:
    """Of the file, along z, y, x; single voxels where it has none."""
    found: Any = getattr(stack.array, "chunks", None) or np.ones(len(stack.axes), int)
    sides = dict(zip(stack.axes, map(int, found), strict=True))
    return sides.get("z", 1), sides["y"], sides["x"]
