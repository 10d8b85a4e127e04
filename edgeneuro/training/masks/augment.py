"""Random changes of a crop: what another recording of other neurites would differ in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.spec import Array, Float32
from edgeneuro.tiled import FULL


@dataclass(frozen=True, kw_only=True)
class CropAugmentation:
    """Every crop is turned by a multiple of 90 degrees in the plane, mirrored along any axis, and gets a gamma; each of the rest
    comes to a share of `chance` of the crops.

    gamma: smallest and largest exponent of the grey values. blur: largest sigma, voxels. shot_noise, read_noise: largest, with a
    variance of shot_noise * grey + read_noise^2, grey 0..1. gradient: largest difference in brightness from one end to the other.
    """

    gamma: tuple[float, float] = (0.7, 1.5)
    blur: float = 1.0
    shot_noise: float = 0.01
    read_noise: float = 0.03
    gradient: float = 0.2
    chance: float = 0.3

    def __call__(
        self, values: NDArray[np.uint16], label: NDArray[np.uint8], rng: np.random.Generator
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        """values, label: ([depth,] side, side), returned in the same shape; the inputs are not changed."""
        quarter = int(rng.integers(4))
        mirrored = tuple(np.flatnonzero(rng.random(values.ndim) < 0.5).tolist())
        values = np.flip(np.rot90(values, quarter, (-2, -1)), mirrored)
        label = np.flip(np.rot90(label, quarter, (-2, -1)), mirrored)
        grey = values.astype(np.float32) / np.float32(FULL)
        grey **= np.float32(math.exp(rng.uniform(*np.log(self.gamma))))
        if rng.random() < self.chance:
            grey = _blurred(grey, rng.uniform(0.0, self.blur))
        if rng.random() < self.chance:
            grey = grey + _slope(grey.shape, rng) * np.float32(rng.uniform(0.0, self.gradient))
        if rng.random() < self.chance:
            shot, read = rng.uniform(0.0, (self.shot_noise, self.read_noise))
            deviation = np.sqrt(np.float32(shot) * np.maximum(grey, 0) + np.float32(read**2))
            grey = grey + deviation * rng.standard_normal(grey.shape, np.float32)
        return np.rint(np.clip(grey, 0, 1) * FULL).astype(np.uint16), np.ascontiguousarray(label)


def _blurred(grey: Float32, sigma: float) -> Float32:
    from scipy.ndimage import gaussian_filter

    blurred: Float32 = gaussian_filter(grey, sigma)
    return blurred


def _slope(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Rises evenly in a random direction, from -0.5 to 0.5 at most."""
    direction = rng.standard_normal(len(shape))
    direction /= np.abs(direction).sum()
    axes = np.meshgrid(*(np.linspace(-0.5, 0.5, side) for side in shape), indexing="ij", sparse=True)
    slope: Array = sum(part * along for part, along in zip(direction, axes, strict=True)).astype(np.float32)
    return slope
