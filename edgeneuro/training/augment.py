"""Random changes a training frame may undergo: another probe position, another gain, never another depth direction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.spec import Frame


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Ranges, each drawn uniformly and symmetrically. Left and right are swapped every other time; up and down never,
    because depth has a direction.

    rotation_deg: largest angle. scale, brightness, contrast: largest relative change. crop: smallest share of the frame's
    area that is shown, with proportions changed by up to a third; 1 for whole frames. Source: Szegedy 2015
    (arXiv:1409.4842).
    """

    rotation_deg: float = 10.0
    scale: float = 0.1
    brightness: float = 0.15
    contrast: float = 0.15
    crop: float = 1.0

    def __call__(self, pixels: Frame, rng: np.random.Generator) -> Frame:
        """pixels: (height, width[, 3]) uint8, returned in the same shape and type; the input is not changed."""
        flip = rng.random() < 0.5
        angle, scale, brightness, contrast = rng.uniform(-1.0, 1.0, 4)
        height, width = pixels.shape[:2]
        matrix = _about_centre(height, width, flip, angle * self.rotation_deg, 1.0 + scale * self.scale)
        if self.crop < 1.0:
            matrix = _window(height, width, self.crop, rng) @ matrix
        moved = cv2.warpAffine(
            pixels, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        return _levels(moved, 1.0 + brightness * self.brightness, 1.0 + contrast * self.contrast)


def _about_centre(height: int, width: int, flip: bool, angle_deg: float, scale: float) -> NDArray[np.float64]:
    """(3, 3) from pixel to pixel: mirrored if `flip`, then turned and scaled about the centre."""
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = np.vstack([cv2.getRotationMatrix2D(centre, angle_deg, scale), [0.0, 0.0, 1.0]])
    if flip:
        matrix = matrix @ np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    return matrix


def _window(height: int, width: int, smallest: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """(3, 3) that stretches a rectangle anywhere in the frame over all of it. smallest: share of the frame's area."""
    area, stretch = rng.uniform(smallest, 1.0), math.exp(rng.uniform(-1.0, 1.0) * math.log(4 / 3))
    across, down = (min(1.0, math.sqrt(area * ratio)) for ratio in (stretch, 1.0 / stretch))
    left, top = (rng.uniform(0.0, 1.0 - share) * side for share, side in ((across, width), (down, height)))
    return np.array(
        [
            [1.0 / across, 0.0, (0.5 - left) / across - 0.5],  # 0.5: a pixel's value is that of its centre
            [0.0, 1.0 / down, (0.5 - top) / down - 0.5],
            [0.0, 0.0, 1.0],
        ]
    )


def _levels(pixels: Frame, brightness: float, contrast: float) -> Frame:
    """brightness * (mean + contrast * (x - mean)), rounded and clipped, through a table of the 256 levels."""
    mean = float(pixels.mean())
    levels = brightness * (mean + contrast * (np.arange(256) - mean))
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return cv2.LUT(pixels, table)
