"""From skin to a photograph: hair on the lens side, light, focus, colour balance, noise."""

from __future__ import annotations

import cv2
import numpy as np

from edgeneuro.data.phantom_lesions_subject import Lesion
from edgeneuro.spec import Float32, Frame

MIDDLE_GREY = 150.0
"""What a change of contrast leaves as it is."""
_SHIFT = 4


def photograph(skin: Float32, lesion: Lesion, rng: np.random.Generator) -> Frame:
    """skin: (row, column, 3) reflectance 0 to 1. Returns (row, column, 3) uint8 RGB as `lesion`'s camera takes it this time."""
    side = skin.shape[0]
    camera = lesion.camera
    light = _light(side, camera.vignette * rng.uniform(0.6, 1.4), rng)
    contrast = rng.uniform(0.85, 1.15)
    gains = 255.0 * contrast * np.array(camera.gains) * np.exp(rng.normal(0.0, 0.045, 3) + rng.normal(0.03, 0.08))
    blur_px = camera.blur_px * rng.uniform(0.8, 2.2)
    picture = np.asarray(cv2.GaussianBlur(_haired(skin, lesion, rng), (0, 0), blur_px), np.float32)
    picture *= light[:, :, None]
    picture *= gains.astype(np.float32)
    picture += rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(camera.noise)
    picture += np.float32((1.0 - contrast) * MIDDLE_GREY)
    return cv2.convertScaleAbs(np.maximum(picture, 0.0))


def _light(side: int, vignette: float, rng: np.random.Generator) -> Float32:
    """(row, column): falls off towards the corners, and a little across the picture."""
    axis = np.linspace(-1.0, 1.0, side, dtype=np.float32)
    middle = rng.uniform(-0.15, 0.15, 2).astype(np.float32)
    x, y = axis[None, :] - middle[0], axis[:, None] - middle[1]
    slope = rng.normal(0.0, 0.05, 2).astype(np.float32)
    corner = np.square((np.square(x) + np.square(y)) * np.float32(0.5))
    return np.asarray((1.0 - np.float32(vignette) * corner) * (1.0 + slope[0] * x + slope[1] * y), np.float32)


def _haired(skin: Float32, lesion: Lesion, rng: np.random.Generator) -> Float32:
    """Hairs over the skin: arcs of a pixel or two, all combed roughly one way."""
    count = int(rng.poisson(lesion.hairs))
    if not count:
        return skin
    side = skin.shape[0]
    layer = np.zeros(skin.shape[:2], np.uint8)
    combed = rng.uniform(0.0, np.pi)
    along = np.linspace(-0.5, 0.5, 12)
    for _ in range(count):
        angle = combed + rng.normal(0.0, 0.35)
        length, bend = side * rng.uniform(0.4, 1.1), side * rng.normal(0.0, 0.12)
        x, y = length * along, bend * np.square(2.0 * along)
        points = np.stack([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], axis=1)
        fixed = np.rint((points + rng.uniform(0.0, side, 2)) * (1 << _SHIFT)).astype(np.int32)
        cv2.polylines(layer, [fixed], False, int(rng.integers(150, 250)), int(rng.integers(1, 3)), cv2.LINE_AA, _SHIFT)
    cover = layer.astype(np.float32)[:, :, None] * np.float32(1.0 / 255.0)
    dark, blond = np.array((0.13, 0.1, 0.08)), np.array((0.62, 0.48, 0.3))
    tone = (dark + lesion.hair_tone * (blond - dark)).astype(np.float32)
    return np.asarray(skin + cover * (tone - skin), np.float32)
