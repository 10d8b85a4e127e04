"""Round 0: weak labels of bright or dark tubes, from the curvature of the image and from its local brightness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.spec import Array, Float32
from edgeneuro.volume import BACKGROUND, FOREGROUND, IGNORE

ALPHA = BETA = 0.5
"""Sensitivity to plates, and to blobs. Source: Frangi et al. 1998, 10.1007/BFb0056195."""


@dataclass(frozen=True, kw_only=True)
class SeedSettings:
    """dark: whether tubes are darker than what is around them. scales: of smoothing, voxels. percentile: of the vesselness, above
    which is foreground. window: side in voxels of the neighbourhood whose mean and deviation are compared with; deviations: how many
    above the mean foreground is, below it where tubes are dark."""

    dark: bool = False
    scales: tuple[float, ...] = (1.0, 2.0, 3.0)
    percentile: float = 98.0
    window: int = 15
    deviations: float = 1.0


def vesselness(values: Float32, scales: tuple[float, ...] = SeedSettings.scales) -> Float32:
    """0..1, how much the image around a voxel looks like a bright tube, the largest over `scales`; shape of `values`.

    Each scale has its own c, half of its largest S. skimage.filters.frangi keeps the first one's for all, by which thick
    tubes lose, and answers to dark tubes that lie exactly along an axis as to bright ones.
    """
    from skimage.feature import hessian_matrix, hessian_matrix_eigvals

    best = np.zeros(values.shape, np.float32)
    for scale in scales:
        hessian = hessian_matrix(  # type: ignore[no-untyped-call]
            values, sigma=scale, mode="nearest", use_gaussian_derivatives=True
        )
        curvatures = hessian_matrix_eigvals(hessian)  # type: ignore[no-untyped-call]
        np.maximum(best, tube_likeness(curvatures), out=best)
    return best


def tube_likeness(eigenvalues: Array) -> Float32:
    """Frangi's measure, from the eigenvalues of the Hessian: (axis, ...) in any order -> (...), 0..1.

    With |l1| <= |l2| <= |l3| and S their norm, in a volume (1 - exp(-R_A^2 / 2a^2)) exp(-R_B^2 / 2b^2) (1 - exp(-S^2 / 2c^2)),
    R_A = |l2| / |l3|, R_B = |l1| / sqrt|l2 l3|; in an image without the first factor and R_B = |l1| / |l2|. 0 unless all but l1 are
    negative. Source: Frangi et al. 1998, 10.1007/BFb0056195, eq. 10 to 15.
    """
    ordered = np.take_along_axis(eigenvalues, np.abs(eigenvalues).argsort(0), 0).astype(np.float64)
    least, across = np.abs(ordered[0]), np.abs(ordered[1:])
    bright = (ordered[1:] < 0).all(0)
    norm = np.square(ordered).sum(0)
    c_squared = norm.max(initial=0.0) / 4
    divisor = np.where(bright, across.prod(0) ** (1 / len(across)), 1.0)
    result = np.exp(-((least / divisor) ** 2) / (2 * BETA**2)) * -np.expm1(-norm / (2 * c_squared or 1.0))
    if len(across) == 2:
        result *= -np.expm1(-((across[0] / np.where(bright, across[1], 1.0)) ** 2) / (2 * ALPHA**2))
    return np.where(bright, result, 0.0).astype(np.float32)


def seed_labels(values: Float32, settings: SeedSettings) -> NDArray[np.uint8]:
    """Labels of one block of brightness 0..1: foreground where vesselness is above its percentile and the voxel brighter than
    its neighbourhood, background where vesselness is not above its median, IGNORE elsewhere.

    Not above, because away from tubes it is exactly 0, in noise in most voxels: then nothing lies below the median.
    """
    if settings.dark:
        values = 1 - values
    tubes = vesselness(values, settings.scales)
    mean, deviation = _neighbourhood(values, settings.window)
    bright = values > mean + settings.deviations * deviation
    labels = np.where(tubes <= np.median(tubes), BACKGROUND, IGNORE).astype(np.uint8)
    labels[(tubes > np.percentile(tubes, settings.percentile)) & bright] = FOREGROUND
    return labels


def _neighbourhood(values: Float32, window: int) -> tuple[Array, Array]:
    """Mean and standard deviation of the window around every voxel."""
    from scipy.ndimage import uniform_filter

    wide = values.astype(np.float64)
    mean = uniform_filter(wide, window, mode="nearest")
    variance = uniform_filter(wide**2, window, mode="nearest") - mean**2
    return mean, np.sqrt(np.maximum(variance, 0.0))
