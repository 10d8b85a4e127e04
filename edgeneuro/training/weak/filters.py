"""From a network's probabilities to pseudo-labels: voxel by voxel, then by the form of what hangs together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.metrics.skeleton import Mask, skeleton
from edgeneuro.spec import Array
from edgeneuro.volume import BACKGROUND, FOREGROUND, IGNORE

Labels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """high, low: probability from which on a voxel is foreground, up to which it is background. weak: from which on a voxel
    belongs to a neurite that is `high` elsewhere. smallest: voxels of a neurite. elongation: length over width of a neurite, at
    least, unless its radius in voxels is above `soma_radius`."""

    high: float = 0.9
    low: float = 0.1
    weak: float = 0.5
    smallest: int = 64
    elongation: float = 3.0
    soma_radius: float = 6.0


@dataclass(frozen=True, kw_only=True)
class Components:
    """What hangs together, also over edges and corners. numbers: shape of the mask, 0 where it is not, else 1 to count.

    radii: (component,) largest distance from within to the outside, voxels, 0.5 for a line one voxel
    wide. lengths: (component,) voxels of the centre line.
    """

    numbers: NDArray[np.int32]
    radii: Array
    lengths: Array

    @property
    def elongation(self) -> Array:
        """(component,) length over width. Of a tree, the length is that of all its branches, so it counts as elongated
        however they spread."""
        ratio: Array = self.lengths / (2 * self.radii)
        return ratio


def pseudo_labels(probabilities: Array, settings: FilterSettings) -> Labels:
    """`voxel_labels` after the structure filter: all of `neurites` is foreground, and what else was foreground, IGNORE.

    probabilities: (z, y, x) or (y, x), 0..1. What is dropped is not made background: it may be the begin of a neurite.
    """
    labels = voxel_labels(probabilities, settings)
    labels[labels == FOREGROUND] = IGNORE
    labels[neurites(probabilities, settings)] = FOREGROUND
    return labels


def voxel_labels(probabilities: Array, settings: FilterSettings) -> Labels:
    """Foreground from `high` on, background up to `low`, IGNORE between."""
    labels = np.full(probabilities.shape, IGNORE, np.uint8)
    labels[probabilities <= settings.low] = BACKGROUND
    labels[probabilities >= settings.high] = FOREGROUND
    return labels


def neurites(probabilities: Array, settings: FilterSettings) -> Mask:
    """Components from `weak` on that hold a voxel of `high`, are large enough, and elongated or a soma.

    The hysteresis comes first, so that faint neurites with few sure voxels are measured whole. Source of the two thresholds:
    Canny 1986, 10.1109/TPAMI.1986.4767851; scikit-image's breaks thin lines that run diagonally.
    """
    from scipy import ndimage

    numbers, count = ndimage.label(probabilities >= settings.weak, structure=np.ones((3,) * probabilities.ndim))
    sure = np.bincount(numbers[probabilities >= settings.high], minlength=count + 1) > 0
    large = np.bincount(numbers.ravel(), minlength=count + 1) >= settings.smallest
    keep = sure & large
    keep[0] = False
    found = components(keep[numbers])
    formed = (found.elongation >= settings.elongation) | (found.radii > settings.soma_radius)
    mask: Mask = np.r_[False, formed][found.numbers]
    return mask


def components(mask: Mask) -> Components:
    """Numbers and forms of all components of `mask`. A component cut by the border counts as ending there."""
    from scipy import ndimage

    numbers, count = ndimage.label(mask, structure=np.ones((3,) * mask.ndim))
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[(slice(1, -1),) * mask.ndim]
    return Components(
        numbers=numbers,
        radii=ndimage.maximum(depth, numbers, np.arange(1, count + 1)) - 0.5,
        lengths=np.bincount(numbers[skeleton(mask)], minlength=count + 1)[1:],
    )
