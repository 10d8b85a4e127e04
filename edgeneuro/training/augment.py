"""Random changes a training frame may undergo: what another recording of the same would differ in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.models import Imaging
from edgeneuro.spec import Frame

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the grey of a colour (ITU-R BT.601)."""
ERASED_AREA = (0.02, 0.2)
ERASED_STRETCH = 3.0
"""A rectangle of these shares of the frame's area, at most this much longer than wide, or wider than long."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """How else a neuron may lie in space, drawn uniformly: turned by any angle about the cortical axis, which is y and leads to
    the pia; tilted against it by up to tilt_deg about x and about z; larger or smaller by up to `scale`."""

    tilt_deg: float = 10.0
    scale: float = 0.1

    def __call__(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """(3, 3) to apply to coordinates about the soma."""
        turn = rng.uniform(-math.pi, math.pi)
        tilts = np.radians(rng.uniform(-self.tilt_deg, self.tilt_deg, 2))
        about_y, about_x, about_z = (
            cv2.Rodrigues(angle * axis)[0] for angle, axis in zip((turn, *tilts), np.eye(3)[[1, 0, 2]], strict=True)
        )
        posed: NDArray[np.float64] = (1.0 + rng.uniform(-self.scale, self.scale)) * (about_z @ about_x @ about_y)
        return posed


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Ranges, each drawn uniformly and symmetrically. Left and right are swapped every other time; up and down only where
    frames may also be turned upside down.

    rotation_deg: largest angle. scale, brightness, contrast, saturation: largest relative change; the last of colours only.
    crop: smallest share of the frame's area that is shown, with proportions changed by up to a third; 1 for whole frames.
    Source: Szegedy 2015 (arXiv:1409.4842). erasing: share of the frames in which a rectangle takes the frame's mean colour.
    Source: Zhong 2020 (arXiv:1708.04896). pose: of neurons, which are drawn anew before anything else happens to the picture;
    None for the picture as it is.
    """

    rotation_deg: float = 10.0
    scale: float = 0.1
    brightness: float = 0.15
    contrast: float = 0.15
    crop: float = 1.0
    saturation: float = 0.0
    erasing: float = 0.0
    pose: Pose | None = None

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
        lit = _levels(moved, 1.0 + brightness * self.brightness, 1.0 + contrast * self.contrast)
        if self.saturation:
            lit = _saturated(lit, 1.0 + rng.uniform(-1.0, 1.0) * self.saturation)
        return _erased(lit, rng) if self.erasing and rng.random() < self.erasing else lit


AUGMENTATIONS: Mapping[Imaging, Augmentation] = {
    "ultrasound": Augmentation(),
    "photograph": Augmentation(
        rotation_deg=180.0, scale=0.2, brightness=0.1, contrast=0.1, saturation=0.1, erasing=0.25
    ),
    "neuron": Augmentation(rotation_deg=0.0, scale=0.0, brightness=0.0, contrast=0.0, pose=Pose()),
}
"""Ultrasound: another probe position, another gain, never another depth direction. Photograph of a lesion: no side is up; hue
stays, since colour is what a diagnosis goes by. Neuron: which side faced the microscope is chance, which one faced the pia is not."""


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


def _saturated(pixels: Frame, saturation: float) -> Frame:
    """Colours this much farther from the grey of the same brightness; grey frames as they are."""
    if pixels.ndim == 2:
        return pixels
    return cv2.transform(pixels, saturation * np.eye(3) + (1.0 - saturation) * np.array(LUMA))


def _erased(pixels: Frame, rng: np.random.Generator) -> Frame:
    """With a rectangle anywhere in the frame, wholly inside, in the frame's mean colour."""
    area, stretch = rng.uniform(*ERASED_AREA), math.exp(rng.uniform(-1.0, 1.0) * math.log(ERASED_STRETCH))
    height, width = pixels.shape[:2]
    down, across = round(height * math.sqrt(area / stretch)), round(width * math.sqrt(area * stretch))
    top, left = round(rng.random() * (height - down)), round(rng.random() * (width - across))
    erased = pixels.copy()
    erased[top : top + down, left : left + across] = np.rint(pixels.mean((0, 1)))
    return erased
