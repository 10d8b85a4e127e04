"""Made-up images with the statistics that natural ones share: power falling with frequency, and kinds that differ in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MEAN, CONTRAST = 128.0, 40.0
"""Grey levels of 0..255."""
SLOPES = (0.8, 1.6)
"""Amplitude falls with frequency to a power between these. Source: Field 1987, 10.1364/JOSAA.4.002379, about 1."""
STRETCH = 3.0
"""How much longer than wide the structures of a kind may be."""


def draw_images(
    count: int, kinds: int, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(image, height, width), and (image,) the kind of each, all equally often up to one.

    A kind has a direction along which its structures are long, how long, how coarse they are, and a place where contrast is highest.
    """
    of_image = rng.permutation(np.arange(count) % kinds)
    filters = np.stack([_amplitude(shape, rng) for _ in range(kinds)])
    windows = np.stack([_window(shape, rng) for _ in range(kinds)])
    noise = np.fft.fft2(rng.standard_normal((count, *shape)))
    textures = np.fft.ifft2(noise * filters[of_image]).real
    textures /= textures.std((1, 2), keepdims=True)
    grey = MEAN + CONTRAST * textures * windows[of_image]
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8), of_image.astype(np.int64)


def _amplitude(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """(height, width) of the spectrum, without a mean."""
    fy, fx = np.meshgrid(*(np.fft.fftfreq(side) for side in shape), indexing="ij")
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, STRETCH)
    along, across = fx * np.cos(angle) + fy * np.sin(angle), fy * np.cos(angle) - fx * np.sin(angle)
    frequency = np.hypot(along * stretch, across)
    frequency[0, 0] = np.inf
    amplitude: NDArray[np.float64] = frequency ** -rng.uniform(*SLOPES)
    return amplitude


def _window(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """(height, width) about 1 on average."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    centre = rng.uniform(0.2, 0.8, 2) * shape
    distance = np.hypot((y - centre[0]) / shape[0], (x - centre[1]) / shape[1])
    window = 0.4 + np.exp(-((distance / 0.35) ** 2))
    scaled: NDArray[np.float64] = window / window.mean()
    return scaled
