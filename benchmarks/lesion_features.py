"""Colour and texture of a skin lesion as numbers, for classifiers that learn on features."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Frame

SIDE_PX = 128
MIDDLE_SHARE = 0.4
"""Of the frame's area: the disc in which a dermatoscopic picture has its lesion."""
PERCENTILES = (5, 25, 50, 75, 95)
RINGS = ((8, 1.0), (16, 2.0))
"""Points and radius in px of the local binary patterns."""
_SMALL = Preprocess(height=SIDE_PX, width=SIDE_PX, channels=3)


def colour_texture(frame: Frame) -> NDArray[np.float32]:
    """frame: (height, width[, 3]) uint8 -> 58 float32.

    On 128 x 128 px: 5 percentiles each of L*, a* and b* in the middle and around it, and, of L* in the middle, histograms of
    rotation-invariant uniform local binary patterns (Ojala 2002), square roots of shares.
    """
    from skimage.feature import local_binary_pattern

    lab = cv2.cvtColor(_SMALL.resize(frame), cv2.COLOR_RGB2LAB)
    row, column = np.indices((SIDE_PX, SIDE_PX)) - (SIDE_PX - 1) / 2
    middle = row**2 + column**2 <= MIDDLE_SHARE * SIDE_PX**2 / np.pi
    parts = [np.percentile(lab[where], PERCENTILES, axis=0).ravel() for where in (middle, ~middle)]
    for points, radius in RINGS:
        codes = local_binary_pattern(lab[..., 0], points, radius, method="uniform")  # type: ignore[no-untyped-call]
        counts = np.bincount(codes[middle].astype(np.int64), minlength=points + 2)
        parts.append(np.sqrt(counts / counts.sum()))
    return np.concatenate(parts).astype(np.float32)
