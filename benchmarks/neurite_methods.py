"""Finding neurites without learning: thresholds of brightness, of brightness beside its neighbourhood, and of vesselness.

Each method is a record of its settings; which ones are good is chosen on other images (edgeneuro.benchmarks.neurite_baselines).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeneuro.spec import Array, Float32
from edgeneuro.tiled import Tiled, between
from edgeneuro.training.weak.seeding import vesselness

Mask = NDArray[np.bool_]


class Picture:
    """A frame or volume, and what several settings share of the work on it.

    values: grey values 0..1, from its 0.1st to its 99.9th percentile as networks see it.
    """

    def __init__(self, frame: Array) -> None:
        grey = frame if frame.ndim == 2 or frame.shape[-1] > 4 else frame.mean(-1)
        self.values = between(grey, Tiled().levels(grey))
        self._tubes: dict[tuple[bool, tuple[float, ...]], Float32] = {}

    def brightness(self, dark: bool) -> Float32:
        """High where neurites are. dark: they are darker than what is around them."""
        return 1 - self.values if dark else self.values

    def tubes(self, dark: bool, scales: tuple[float, ...]) -> Float32:
        """0..1, edgeneuro.training.weak.seeding.vesselness."""
        key = (dark, scales)
        if key not in self._tubes:
            self._tubes[key] = vesselness(self.brightness(dark), scales)
        return self._tubes[key]


@dataclass(frozen=True, kw_only=True)
class Tidy:
    """at_least: voxels of a piece that is kept. grown: voxels by which what is left is made thicker: people draw with a thick pen."""

    at_least: int
    grown: int

    def __call__(self, mask: Mask) -> Mask:
        from scipy.ndimage import binary_dilation, label

        pieces, count = label(mask, np.ones((3,) * mask.ndim))
        large = np.bincount(pieces.ravel(), minlength=count + 1) >= self.at_least
        large[0] = False
        kept: Mask = large[pieces]
        return np.asarray(binary_dilation(kept, iterations=self.grown), np.bool_) if self.grown else kept


@dataclass(frozen=True, kw_only=True)
class Otsu:
    """One threshold for the whole picture. smooth: standard deviation of a Gaussian before it, voxels. Source: Otsu 1979,
    10.1109/TSMC.1979.4310076."""

    dark: bool
    smooth: float
    tidy: Tidy

    def __call__(self, picture: Picture) -> Mask:
        from skimage.filters import gaussian, threshold_otsu

        values = gaussian(picture.brightness(self.dark), self.smooth)  # type: ignore[no-untyped-call]
        return self.tidy(values > threshold_otsu(values))  # type: ignore[no-untyped-call]


@dataclass(frozen=True, kw_only=True)
class Local:
    """Brighter than the mean of a window by so many of its standard deviations. Source: Niblack 1986."""

    dark: bool
    window: int
    deviations: float
    tidy: Tidy

    def __call__(self, picture: Picture) -> Mask:
        from skimage.filters import gaussian, threshold_niblack

        values = gaussian(picture.brightness(self.dark), 1.0)  # type: ignore[no-untyped-call]
        level = threshold_niblack(values, self.window, -self.deviations)  # type: ignore[no-untyped-call]
        return self.tidy(values > level)


@dataclass(frozen=True, kw_only=True)
class Frangi:
    """Vesselness above a low percentile, in pieces that reach a high one. Source: Frangi et al. 1998, 10.1007/BFb0056195; hysteresis:
    Canny 1986, 10.1109/TPAMI.1986.4767851."""

    dark: bool
    scales: tuple[float, ...]
    low: float
    high: float
    tidy: Tidy

    def __call__(self, picture: Picture) -> Mask:
        from skimage.filters import apply_hysteresis_threshold

        tubes = picture.tubes(self.dark, self.scales)
        low, high = np.percentile(tubes, (self.low, self.high))
        return self.tidy(apply_hysteresis_threshold(tubes, low, high))  # type: ignore[no-untyped-call]


NeuriteMethod: TypeAlias = Otsu | Local | Frangi
"""Settings; called with a picture it finds, in its shape, True where a neurite is."""

_DARK = (False, True)
_TIDY = tuple(Tidy(at_least=size, grown=grown) for size, grown in ((8, 0), (64, 0), (256, 3), (1000, 5)))

TITLES: Mapping[str, str] = {
    "otsu": "Otsu's threshold",
    "local": "local threshold",
    "frangi": "Frangi's vesselness with hysteresis",
}
GRIDS: Mapping[str, tuple[NeuriteMethod, ...]] = {
    "otsu": tuple(
        Otsu(dark=dark, smooth=smooth, tidy=tidy) for dark, smooth, tidy in product(_DARK, (0.5, 2.0), _TIDY)
    ),
    "local": tuple(
        Local(dark=dark, window=window, deviations=deviations, tidy=tidy)
        for dark, window, deviations, tidy in product(_DARK, (15, 61), (1.0, 2.0), _TIDY)
    ),
    "frangi": tuple(
        Frangi(dark=dark, scales=scales, low=low, high=high, tidy=tidy)
        for dark, scales, (low, high), tidy in product(
            _DARK, ((1.0, 2.0, 3.0), (2.0, 4.0)), ((85.0, 95.0), (92.0, 98.0), (96.0, 99.5), (98.0, 99.8)), _TIDY
        )
    ),
}
"""Method -> the settings to choose from."""
