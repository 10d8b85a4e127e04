"""Random changes a training frame may undergo: another probe position, another gain, never another depth direction."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edgeneuro.spec import Frame


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Ranges, each drawn uniformly and symmetrically. Left and right are swapped every other time; up and down never,
    because depth has a direction.

    rotation_deg: largest angle. scale, brightness, contrast: largest relative change.
    """

    rotation_deg: float = 10.0
    scale: float = 0.1
    brightness: float = 0.15
    contrast: float = 0.15

    def __call__(self, pixels: Frame, rng: np.random.Generator) -> Frame:
        """pixels: (height, width[, 3]) uint8, returned in the same shape and type; the input is not changed."""
        flip = rng.random() < 0.5
        angle, scale, brightness, contrast = rng.uniform(-1.0, 1.0, 4)
        moved = _affine(pixels, flip, angle * self.rotation_deg, 1.0 + scale * self.scale)
        return _levels(moved, 1.0 + brightness * self.brightness, 1.0 + contrast * self.contrast)


def _affine(pixels: Frame, flip: bool, angle_deg: float, scale: float) -> Frame:
    """Mirrored if `flip`, then turned and scaled about the centre; what comes in over the edge is reflected."""
    height, width = pixels.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, angle_deg, scale)
    if flip:
        matrix = matrix @ np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    return cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _levels(pixels: Frame, brightness: float, contrast: float) -> Frame:
    """brightness * (mean + contrast * (x - mean)), rounded and clipped, through a table of the 256 levels."""
    mean = float(pixels.mean())
    levels = brightness * (mean + contrast * (np.arange(256) - mean))
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return cv2.LUT(pixels, table)
