"""One view of a lesion: where each pixel lies on the lesion, and noise, honeycombs and shapes that stay with the lesion.

Every image of a lesion sees it turned, shifted and magnified differently; what is drawn in the lesion's own coordinates,
with a generator seeded by the lesion alone, moves along. Maps are (row, column) float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.spec import Float32

_REACH_MM = 32.0
"""Noise does not repeat within it: more than a view spans, shifts and corners included."""
_SHIFT = 4
"""Fractional bits of coordinates that shapes are drawn at."""


@dataclass(frozen=True, kw_only=True)
class View:
    """u, v: of each pixel on the lesion, mm from its centre. matrix: (2, 3), from there to column and row in pixels.
    pixel_mm: edge of a pixel."""

    u: Float32
    v: Float32
    matrix: NDArray[np.float64]
    pixel_mm: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.u.shape[0], self.u.shape[1]


def draw_view(rng: np.random.Generator, *, side_px: int, side_mm: float) -> View:
    """A square view, turned by any angle, shifted by up to an eighth of its side; never mirrored."""
    pixel_mm = side_mm / side_px
    angle = rng.uniform(0.0, 2.0 * np.pi)
    stretch = rng.uniform(0.95, 1.05)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / pixel_mm
    forward = turn @ np.diag([stretch, 1.0 / stretch])
    centre = side_px * (0.5 + rng.uniform(-0.12, 0.12, 2))
    back = np.linalg.inv(forward).astype(np.float32)
    axis = np.arange(side_px, dtype=np.float32)
    x, y = axis[None, :] - np.float32(centre[0]), axis[:, None] - np.float32(centre[1])
    return View(
        u=back[0, 0] * x + back[0, 1] * y,
        v=back[1, 0] * x + back[1, 1] * y,
        matrix=np.hstack([forward, centre[:, None]]),
        pixel_mm=pixel_mm,
    )


def noise(view: View, rng: np.random.Generator, cell_mm: float, stretch: float = 1.0) -> Float32:
    """Smooth noise of about unit variance in cells of cell_mm, `stretch` times as long in one direction.

    White noise, cubic between its cells, turned by an angle of its own: a table and an angle are taken from `rng`.
    """
    size = int(_REACH_MM / cell_mm) + 4
    table = rng.standard_normal((size, size), dtype=np.float32)
    angle = float(rng.uniform(0.0, 2.0 * np.pi))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    cells = np.diag([1.0, 1.0 / stretch]) @ turn / cell_mm
    back = cells @ np.linalg.inv(view.matrix[:, :2])
    matrix = np.hstack([back, size / 2 - back @ view.matrix[:, 2:]])
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    found = cv2.warpAffine(table, matrix, view.shape[::-1], flags=how, borderMode=cv2.BORDER_WRAP)
    return np.asarray(found * np.float32(1.3), np.float32)


def honeycomb(view: View, rng: np.random.Generator, cell_mm: float, disorder: float) -> Float32:
    """-1.5 on the lines of a honeycomb, 3 in the middle of its cells, which are cell_mm apart; bent by `disorder` cells."""
    bend = np.float32(disorder * cell_mm)
    u = view.u + bend * noise(view, rng, 2.2 * cell_mm)
    v = view.v + bend * noise(view, rng, 2.2 * cell_mm)
    wave = np.float32(4.0 * np.pi / (np.sqrt(3.0) * cell_mm))
    turn = rng.uniform(0.0, np.pi)
    total = np.zeros(view.shape, np.float32)
    for angle in turn + np.pi / 3.0 * np.arange(3):
        total += np.cos(wave * (np.float32(np.cos(angle)) * u + np.float32(np.sin(angle)) * v))
    return total


def step(values: Float32, width: float) -> Float32:
    """Smooth step from 0 to 1, at half where `values` is 0, over about `width` on either side."""
    slope = np.clip(values * np.float32(0.5 / width) + np.float32(0.5), 0.0, 1.0)
    return np.asarray(slope * slope * (3.0 - 2.0 * slope), np.float32)


def ellipses(view: View, centres: Float32, radii: Float32, rng: np.random.Generator, blur_mm: float) -> Float32:
    """0 to 1: filled ovals. centres: (oval, 2) mm. radii: (oval,) mm. blur_mm: how softly they end."""
    layer = np.zeros(view.shape, np.uint8)
    angles = rng.uniform(0.0, 180.0, len(centres))
    flattening = rng.uniform(0.65, 1.0, len(centres))
    turn = np.rad2deg(np.arctan2(view.matrix[1, 0], view.matrix[0, 0]))
    for centre, radius, angle, flat in zip(_fixed(view, centres), radii, angles, flattening, strict=True):
        size = radius / view.pixel_mm * (1 << _SHIFT)
        axes = (round(size), round(size * flat))
        cv2.ellipse(layer, centre.tolist(), axes, angle + turn, 0, 360, 255, cv2.FILLED, cv2.LINE_AA, _SHIFT)
    return _softened(layer, blur_mm / view.pixel_mm)


def curves(view: View, lines: Iterable[tuple[Float32, float]], blur_mm: float) -> Float32:
    """0 to 1: curved lines. lines: (point, 2) mm and width in mm; what is thinner than a pixel is fainter."""
    layer = np.zeros(view.shape, np.uint8)
    for points, width_mm in sorted(lines, key=lambda line: line[1]):  # wide and strong ones over thin ones
        width = width_mm / view.pixel_mm
        strength = round(255 * min(1.0, width))
        cv2.polylines(layer, [_fixed(view, points)], False, strength, max(1, round(width)), cv2.LINE_AA, _SHIFT)
    return _softened(layer, blur_mm / view.pixel_mm)


def _fixed(view: View, points: Float32) -> NDArray[np.int32]:
    """(point, 2) mm on the lesion to column and row in pixels, fixed-point."""
    pixels = points @ view.matrix[:, :2].T + view.matrix[:, 2]
    return np.asarray(np.rint(pixels * (1 << _SHIFT)), np.int32)


def _softened(layer: NDArray[np.uint8], sigma_px: float) -> Float32:
    soft = layer.astype(np.float32) * np.float32(1.0 / 255.0)
    return np.asarray(cv2.GaussianBlur(soft, (0, 0), sigma_px) if sigma_px > 0.2 else soft, np.float32)
