"""How an image or volume of any size is shown to a network of a fixed one: its own grey levels, and tiles of its own scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.errors import InputError
from edgeneuro.spec import Array, Float32

FULL = 65535
"""Grey level that becomes 1.0: tiles are kept in 16 bits, whatever an image was recorded in."""

Levels = tuple[float, float]
"""Grey values, as recorded, that become 0 and 1."""


def percentile_levels(values: Array, low: float, high: float) -> Levels:
    """The `low` and `high` percentile of all of `values`: gain and offset differ between microscopes."""
    bottom, top = np.percentile(values, (low, high))
    return float(bottom), float(top)


def between(values: Array, levels: Levels) -> Float32:
    """`values` in 0..1 from the one level to the other, clipped; 0 everywhere where the two are equal."""
    bottom, top = levels
    if top <= bottom:
        return np.zeros(values.shape, np.float32)
    scaled = (values.astype(np.float32) - np.float32(bottom)) / np.float32(top - bottom)
    clipped: Float32 = np.clip(scaled, 0, 1, out=scaled)
    return clipped


@dataclass(frozen=True, kw_only=True)
class Tiled:
    """What is done to a whole image or volume before it is cut, and how it is cut.

    low, high: percentiles of all its grey values that become 0 and 1. overlap: of neighbouring tiles where logits are blended, as
    a share of a tile's side, at most a half. Raises InputError for values out of range.
    """

    low: float = 0.1
    high: float = 99.9
    overlap: float = 0.25

    def __post_init__(self) -> None:
        if not 0.0 <= self.low < self.high <= 100.0 or not 0.0 <= self.overlap <= 0.5:
            raise InputError(
                f"tiled: got percentiles {self.low:g} and {self.high:g} and an overlap of {self.overlap:g}, expected percentiles "
                "that rise within 0..100 and an overlap of 0 to 0.5"
            )

    def levels(self, values: Array) -> Levels:
        """Of a whole image or volume."""
        return percentile_levels(values, self.low, self.high)

    def scaled(self, values: Array, levels: Levels) -> NDArray[np.uint16]:
        """0..FULL in the shape of `values`, all of an image or a part of it. levels: of the whole."""
        scaled: NDArray[np.uint16] = np.rint(between(values, levels) * np.float32(FULL)).astype(np.uint16)
        return scaled

    def overlaps(self, tile: tuple[int, ...]) -> tuple[int, ...]:
        """In voxels, along every axis of a tile."""
        return tuple(int(self.overlap * side) for side in tile)
