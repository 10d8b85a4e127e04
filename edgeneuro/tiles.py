"""Networks of a fixed input size over images and volumes that are larger, and larger than memory.

Overlapping tiles cover the array on one grid. The output is made region by region: each is blended from all tiles that touch
it, so memory depends on the sizes of tile and region and not on the array's, and regions are independent of each other. A
tile across a border between regions is computed for both: regions many tiles wide waste little.

Blending is a weighted mean of logits, with the weight of a voxel a Gaussian of its place in the tile. Source: Isensee et al.
2021, 10.1038/s41592-020-01008-z (sigma an eighth of the tile). Weights and logits are added as integers, which is exact, so
neither the order of the tiles nor the cut into regions changes one bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeneuro.errors import FrameError, ShapeError, UsageError
from edgeneuro.spec import Array, Float32

Region: TypeAlias = tuple[slice, ...]
"""start:stop along every axis of space."""
Start: TypeAlias = tuple[int, ...]
"""First voxel of a tile."""
Read: TypeAlias = Callable[[Region], Array]
"""Part of the array: (channel, *size of the region), as the network wants it, padding aside."""
Run: TypeAlias = Callable[[Float32], Array]
"""The network: (1, channel, *tile) float32 -> logits (1, class, *tile)."""

SIGMA_OF_TILE = 1 / 8
_PEAK = 2**8
"""Weight of the middle of a tile along one axis; that of its ends rounds to 0 and is made 1."""
_STEPS = 2**20
"""Steps in a logit of 1: about as fine as float32 is at 8."""
LARGEST_LOGIT = 2.0**13
"""Larger ones are cut to it. At most 3 tiles meet along an axis: sums stay below (3 * 2^8)^3 * 2^13 * 2^20 < 2^62."""


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Where the tiles of one array lie: every tile - overlap voxels, the last one moved back to end with the array.

    shape, tile, overlap: (y, x) or (z, y, x), voxels. An array smaller than a tile has one, which reaches beyond its end.
    Raises UsageError for an overlap of more than half a tile or for another number of axes.
    """

    shape: tuple[int, ...]
    tile: tuple[int, ...]
    overlap: tuple[int, ...]

    def __post_init__(self) -> None:
        axes = len(self.shape)
        if axes not in (2, 3) or len(self.tile) != axes or len(self.overlap) != axes:
            raise UsageError(
                f"tiles: got an array {self.shape}, tiles {self.tile} and overlaps {self.overlap}, "
                "expected two or three axes, the same in each"
            )
        if min(self.shape) < 1 or min(self.tile) < 1:
            raise UsageError(
                f"tiles: got an array {self.shape} and tiles {self.tile}, expected at least one voxel each"
            )
        for tile, overlap in zip(self.tile, self.overlap, strict=True):
            if not 0 <= overlap <= tile // 2:
                raise UsageError(f"tiles: got an overlap of {overlap} voxels, expected 0 to {tile // 2}, half a tile")

    @staticmethod
    def beside(shape: tuple[int, ...], tile: tuple[int, ...]) -> Iterator[Region]:
        """What tiles without overlap cover of an array, the last ones moved back to end with it, the last axis fastest."""
        tiling = Tiling(shape=shape, tile=tile, overlap=(0,) * len(tile))
        for start in tiling.touching(tiling.whole):
            yield tuple(slice(a, min(a + n, end)) for a, n, end in zip(start, tile, shape, strict=True))

    @property
    def whole(self) -> Region:
        """The region that is the array."""
        return tuple(slice(0, size) for size in self.shape)

    def starts(self, axis: int, along: slice) -> list[int]:
        """First voxels, in order, of the tiles that touch start:stop along one axis."""
        size, tile = self.shape[axis], self.tile[axis]
        step = tile - self.overlap[axis]
        last = max(size - tile, 0)
        first = max((along.start - tile) // step + 1, 0)
        starts = [*range(min(first * step, last), min(last, along.stop), step), *([last] if last < along.stop else [])]
        return [start for start in starts if start + tile > along.start]

    def touching(self, region: Region) -> Iterator[Start]:
        """The tiles that a region is blended from, the last axis fastest. Raises ShapeError for one not inside the array."""
        inside = len(region) == len(self.shape) and all(
            0 <= part.start < part.stop <= size for part, size in zip(region, self.shape, strict=True)
        )
        if not inside:
            raise ShapeError(f"region {region}: is not inside the array {self.shape}; cut it to the array")
        return itertools.product(*(self.starts(axis, part) for axis, part in enumerate(region)))

    def regions(self, size: tuple[int, ...]) -> Iterator[Region]:
        """The array cut into regions of `size`, those at its end smaller, the last axis fastest."""
        cuts = (range(0, whole, step) for whole, step in zip(self.shape, size, strict=True))
        for starts in itertools.product(*cuts):
            yield tuple(slice(a, min(a + n, end)) for a, n, end in zip(starts, size, self.shape, strict=True))


class Blend:
    """Logits of one region, from its tiles in whatever order they come.

    missing: the tiles not added yet.
    """

    def __init__(self, tiling: Tiling, region: Region) -> None:
        self.tiling, self.region = tiling, region
        self.missing: set[Start] = set(tiling.touching(region))
        self._axis_weights = [_weights(tile) for tile in tiling.tile]
        self._sum: NDArray[np.int64] | None = None

    def add(self, start: Start, logits: Array) -> None:
        """logits: (class, *tile) of the tile at `start`. Raises ShapeError for a tile that is not missing or another shape,
        FrameError where a logit is not finite."""
        if start not in self.missing:
            raise ShapeError(f"tile at {start}: is not one of the {len(self.missing)} missing; add each tile once")
        size = tuple(part.stop - part.start for part in self.region)
        if self._sum is None:
            self._sum = np.zeros((len(logits), *size), np.int64)
        if logits.shape != (len(self._sum), *self.tiling.tile):
            raise ShapeError(
                f"tile at {start}: got logits {logits.shape}, expected {(len(self._sum), *self.tiling.tile)}, "
                "(class, *tile); the network must keep the size of its input"
            )
        if not np.isfinite(logits).all():
            raise FrameError(
                f"tile at {start}: the network's logits are not finite; look for NaN in the volume there, "
                "or use an engine in fp32"
            )
        inside, place = self._overlap(start)
        weights = _product([weights[part] for weights, part in zip(self._axis_weights, inside, strict=True)])
        part = np.clip(logits[(slice(None), *inside)].astype(np.float64), -LARGEST_LOGIT, LARGEST_LOGIT)
        self._sum[(slice(None), *place)] += np.rint(part * _STEPS).astype(np.int64) * weights
        self.missing.remove(start)

    def logits(self) -> Float32:
        """(class, *size of the region). Raises ShapeError while tiles are missing."""
        if self.missing or self._sum is None:
            raise ShapeError(f"region {self.region}: {len(self.missing)} tiles are missing, first {min(self.missing)}")
        whole = _product([self._weight_sum(axis) for axis in range(len(self.region))])
        return (self._sum / (whole * float(_STEPS))).astype(np.float32)

    def _overlap(self, start: Start) -> tuple[Region, Region]:
        """What a tile and the region share, counted from the begin of the tile and of the region."""
        inside, place = [], []
        for first, tile, part in zip(start, self.tiling.tile, self.region, strict=True):
            low, high = max(first, part.start), min(first + tile, part.stop)
            inside.append(slice(low - first, high - first))
            place.append(slice(low - part.start, high - part.start))
        return tuple(inside), tuple(place)

    def _weight_sum(self, axis: int) -> NDArray[np.int64]:
        """Of all tiles along one axis, at every voxel of the region; the sum over the grid is the product over its axes."""
        part, weights = self.region[axis], self._axis_weights[axis]
        total = np.zeros(part.stop - part.start, np.int64)
        for first in self.tiling.starts(axis, part):
            low, high = max(first, part.start), min(first + len(weights), part.stop)
            total[low - part.start : high - part.start] += weights[low - first : high - first]
        return total


def infer_region(read: Read, run: Run, tiling: Tiling, region: Region) -> Float32:
    """Logits of one region, (class, *size): `run` over every tile that touches it, one at a time.

    Tiles that reach beyond the array's end are filled up by reflection. The result is the same for any cut into regions as
    long as `run` gives the same for the same tile. Raises ShapeError, FrameError, what `read` and `run` raise.
    """
    blend = Blend(tiling, region)
    for start in sorted(blend.missing):
        blend.add(start, run(read_tile(read, tiling, start)[None])[0])
    return blend.logits()


def read_tile(read: Read, tiling: Tiling, start: Start) -> Float32:
    """(channel, *tile). Raises ShapeError where `read` gives another size than was asked for."""
    ends = (min(a + n, size) for a, n, size in zip(start, tiling.tile, tiling.shape, strict=True))
    part = tuple(slice(a, b) for a, b in zip(start, ends, strict=True))
    values = np.asarray(read(part), np.float32)
    expected = tuple(axis.stop - axis.start for axis in part)
    if values.shape[1:] != expected:
        raise ShapeError(f"tile at {start}: got values {values.shape}, expected (channel, *{expected})")
    beyond = [(0, tile - size) for tile, size in zip(tiling.tile, expected, strict=True)]
    return np.pad(values, [(0, 0), *beyond], mode="symmetric")


def _weights(tile: int) -> NDArray[np.int64]:
    """(tile,) 1 to _PEAK."""
    offsets = (np.arange(tile) - (tile - 1) / 2) / (SIGMA_OF_TILE * tile)
    weights: NDArray[np.int64] = np.maximum(np.rint(_PEAK * np.exp(-(offsets**2) / 2)), 1).astype(np.int64)
    return weights


def _product(by_axis: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Outer product of one vector an axis."""
    whole = by_axis[0]
    for vector in by_axis[1:]:
        whole = whole[..., None] * vector
    return whole
