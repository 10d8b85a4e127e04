"""Classes from what is simple in an image: how bright, how much contrast, which orientation, how coarse."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.recordings import UNKNOWN, Recording
from edgeneuro.errors import DataError
from edgeneuro.spec import Array

CHUNK = 200
"""Images whose spectra are in memory at once."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ImageStatistics:
    """All (image,). luminance: mean grey level. contrast: standard deviation of grey levels. orientation: of the stripes, degrees from
    the horizontal, clockwise as seen, 0..180, from the structure tensor. frequency: mean of the power spectrum, cycles per pixel."""

    luminance: Floats
    contrast: Floats
    orientation: Floats
    frequency: Floats


STATISTICS = tuple(field.name for field in fields(ImageStatistics))


def image_statistics(images: Array) -> ImageStatistics:
    """images: (image, height, width)."""
    parts = [_statistics(images[start : start + CHUNK].astype(np.float64)) for start in range(0, len(images), CHUNK)]
    luminance, contrast, orientation, frequency = np.concatenate(parts, 1)
    return ImageStatistics(luminance=luminance, contrast=contrast, orientation=orientation, frequency=frequency)


def _statistics(images: Floats) -> Floats:
    """(4, image)."""
    height, width = images.shape[1:]
    gy, gx = np.gradient(images, axis=(1, 2))
    across = 0.5 * np.arctan2(2 * (gx * gy).sum((1, 2)), (gx**2 - gy**2).sum((1, 2)))  # along the steepest change
    luminance = images.mean((1, 2))
    window = np.outer(np.hanning(height), np.hanning(width))
    weighted = window * (images - luminance[:, None, None])
    power = np.abs(np.fft.rfft2(weighted)) ** 2
    power[:, 0, 0] = 0
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    mean = (power * frequency).sum((1, 2)) / np.maximum(power.sum((1, 2)), 1e-12)
    return np.stack([luminance, images.std((1, 2)), np.degrees(across + np.pi / 2) % 180, mean])


def label_by(recording: Recording, statistic: str, *, bins: int = 4) -> Recording:
    """The same trials with quantiles of an image statistic as classes, as many images in each; grey trials stay UNKNOWN.

    statistic: of STATISTICS. Only images that were shown count. Raises DataError: no images, an unknown statistic, bins that no image or
    all of them fall into.
    """
    if recording.images is None:
        raise DataError(f"labels by {statistic}: {recording.lacks('images')}; give the file of images")
    if statistic not in STATISTICS:
        raise DataError(f"labels by {statistic!r}: expected one of {', '.join(STATISTICS)}")
    shown, of_trial = np.unique(recording.stimuli[~recording.grey], return_inverse=True)
    values = getattr(image_statistics(recording.images[shown]), statistic)
    edges = np.quantile(values, np.arange(1, bins) / bins)
    classes = np.searchsorted(edges, values, side="right")
    if bins < 2 or len(np.unique(classes)) < bins:
        raise DataError(
            f"{recording.name}: {len(values)} images cannot be put into {bins} bins by {statistic}; ask for 2 or a few more"
        )
    labels = np.full(recording.trials, UNKNOWN, np.int64)
    labels[~recording.grey] = classes[of_trial]
    ends = [values.min(), *edges, values.max()]
    names = tuple(f"{statistic} {low:.3g} to {high:.3g}" for low, high in pairwise(ends))
    return replace(recording, classes=names, labels=labels)
