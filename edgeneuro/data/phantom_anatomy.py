"""What lies under the probe: maps of backscatter and attenuation of skin, fat, fasciae, two muscles and bone.

All maps are (row, column) float32 with square pixels, row 0 at the skin. Levels in dB, 0 dB is subcutaneous fat.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edgeneuro.data.phantom_subject import Muscle, Subject
from edgeneuro.spec import Float32

SKIN_DB = 8.0
SHADOW_DB = (-42.0, -18.0)
"""Least and most clutter in the shadow of bone."""
BONE_DB = 24.0
FAT_ATTENUATION = 0.5
"""dB / cm / MHz."""
NOWHERE_MM = 1e3


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """Tissue in one scan plane.

    level_db: mean diffuse backscatter. mirror_db: level of smooth interfaces, which reflect in phase.
    attenuation: dB / cm / MHz. All (row, column).
    """

    level_db: Float32
    mirror_db: Float32
    attenuation: Float32


def draw_anatomy(subject: Subject, rng: np.random.Generator, *, rows: int, columns: int, pixel_mm: float) -> Anatomy:
    """One scan plane of `subject`: position, tilt and view (along or across the fibres) vary with `rng`."""
    depth = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) * np.float32(pixel_mm)
    along = (np.arange(columns, dtype=np.float32)[None, :] - columns / 2) * np.float32(pixel_mm)
    across_fibres = bool(rng.random() < 0.3)
    borders = _borders(subject, rng, along, across_fibres)
    layer = sum((depth > border).astype(np.uint8) for border in borders)

    upper = _muscle_level(subject.upper, rng, depth - borders[1], along, across_fibres)
    lower = _muscle_level(subject.lower, rng, depth - borders[2], along, across_fibres)
    fat = _fat_level(subject, rng, depth, along)
    level = np.choose(
        layer, [np.full_like(fat, SKIN_DB), fat, upper, lower, np.full_like(fat, rng.uniform(*SHADOW_DB))]
    )
    attenuations = (FAT_ATTENUATION, FAT_ATTENUATION, subject.upper.attenuation, subject.lower.attenuation, 1.0)
    return Anatomy(
        level_db=level.astype(np.float32),
        mirror_db=_mirrors(subject, rng, depth, borders),
        attenuation=np.asarray(attenuations, np.float32)[layer],
    )


def smooth_noise(rng: np.random.Generator, rows: int, columns: int, cell_rows: float, cell_columns: float) -> Float32:
    """Smooth Gaussian noise of about unit variance: white noise on cells of the given size in pixels, cubic between."""
    coarse = rng.standard_normal((int(rows / cell_rows) + 3, int(columns / cell_columns) + 3), dtype=np.float32)
    y = np.arange(rows, dtype=np.float32) / np.float32(cell_rows) + np.float32(0.5 + rng.random())
    x = np.arange(columns, dtype=np.float32) / np.float32(cell_columns) + np.float32(0.5 + rng.random())
    map_x, map_y = np.broadcast_to(x, (rows, columns)), np.broadcast_to(y[:, None], (rows, columns))
    fine = cv2.remap(coarse, np.ascontiguousarray(map_x), np.ascontiguousarray(map_y), cv2.INTER_CUBIC, borderMode=1)
    return np.asarray(fine * np.float32(1.3), np.float32)


def _curve(rng: np.random.Generator, columns: int, cell: float) -> Float32:
    """(1, column) smooth noise of about unit variance."""
    return smooth_noise(rng, 1, columns, 1.0, cell)


def _borders(subject: Subject, rng: np.random.Generator, along: Float32, across_fibres: bool) -> list[Float32]:
    """Depths in mm, each (1, column): under skin, fat, upper muscle and lower muscle (the last one is bone or nothing)."""
    columns = along.shape[1]
    cell = columns / rng.uniform(1.5, 4.0)
    tilt = np.float32(rng.normal(0.0, 0.05))
    bend = 1.6 if across_fibres else 0.7
    skin = np.float32(rng.uniform(1.1, 1.8)) + np.float32(0.08) * _curve(rng, columns, cell)
    fat = skin + np.float32(subject.fat_mm * rng.uniform(0.75, 1.3)) + tilt * along
    fat = np.maximum(fat + np.float32(0.3 * bend) * _curve(rng, columns, cell), skin + np.float32(0.8))
    upper = np.float32(subject.upper.thickness_mm * rng.uniform(0.82, 1.2)) + np.float32(rng.normal(0.0, 0.05)) * along
    upper = fat + np.maximum(upper + np.float32(bend) * _curve(rng, columns, cell), np.float32(2.0))
    if rng.random() < 0.35:
        return [skin, fat, upper, np.full_like(upper, NOWHERE_MM)]
    curvature = np.float32(rng.uniform(0.002, 0.02 if across_fibres else 0.006))
    centre = np.float32(rng.uniform(-0.3, 0.3)) * along.max()
    thickness = np.float32(subject.lower.thickness_mm * rng.uniform(0.82, 1.2))
    bone = upper.mean(dtype=np.float32) + thickness + curvature * np.square(along - centre)
    bone = np.maximum(bone + np.float32(0.3) * _curve(rng, columns, cell), upper + np.float32(2.0))
    return [skin, fat, upper, bone]


def _muscle_level(
    muscle: Muscle, rng: np.random.Generator, below: Float32, along: Float32, across_fibres: bool
) -> Float32:
    """Backscatter of a muscle. below: (row, column) mm under its upper fascia. along: (1, column) mm along the probe."""
    rows, columns = below.shape
    cell = muscle.patch_mm / float(along[0, 1] - along[0, 0])
    patches = np.float32(muscle.patch_db) * smooth_noise(rng, rows, columns, cell, 1.6 * cell)
    rim = np.float32(muscle.rim_db) * np.exp(np.minimum(-below / np.float32(muscle.rim_mm), 0.0))
    rim *= np.clip(0.8 + 0.5 * _curve(rng, columns, columns / 5.0), 0.0, None)
    septa = _septa(muscle, rng, below, along, across_fibres)
    level: Float32 = np.float32(muscle.level_db) + patches + rim + np.float32(muscle.striation_db) * septa
    return level


def _septa(muscle: Muscle, rng: np.random.Generator, below: Float32, along: Float32, across_fibres: bool) -> Float32:
    """Perimysium, 0 to 1: lines along the fibres, or a net of short curved lines across them.

    The lines are where smooth noise, stretched along the fibres, changes sign; a second noise breaks them up.
    """
    angle = np.deg2rad(0.0 if across_fibres else muscle.pennation_deg + rng.normal(0.0, 4.0))
    length_mm = muscle.fascicle_mm * (1.4 if across_fibres else rng.uniform(7.0, 11.0))
    cells = 160
    noise = rng.standard_normal((cells, cells), dtype=np.float32)
    fibre = (along * np.float32(np.cos(angle)) + below * np.float32(np.sin(angle))) / np.float32(length_mm)
    normal = (below * np.float32(np.cos(angle)) - along * np.float32(np.sin(angle))) / np.float32(
        0.75 * muscle.fascicle_mm
    )
    field = cv2.remap(noise, fibre + cells / 2, normal + cells / 2, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
    rows, columns = below.shape
    cell = 2.0 / float(along[0, 1] - along[0, 0])
    whole = np.clip(0.8 + 0.5 * smooth_noise(rng, rows, columns, 0.6 * cell, cell), 0.0, 1.0)
    return np.asarray(whole * np.exp(-np.square(field / np.float32(0.3))), np.float32)


def _fat_level(subject: Subject, rng: np.random.Generator, depth: Float32, along: Float32) -> Float32:
    """Subcutaneous fat: dark lobules between bright, mostly horizontal septa; its mean is about 0 dB."""
    rows, columns = depth.shape[0], along.shape[1]
    pixel_mm = float(along[0, 1] - along[0, 0])
    lobules = smooth_noise(rng, rows, columns, rng.uniform(1.4, 2.2) / pixel_mm, rng.uniform(6.0, 10.0) / pixel_mm)
    level: Float32 = np.float32(-5.0) + np.float32(subject.septa_db) * np.exp(-np.square(lobules / np.float32(0.4)))
    return level


def _mirrors(subject: Subject, rng: np.random.Generator, depth: Float32, borders: list[Float32]) -> Float32:
    """Level of skin line, superficial fascia, the fascia between the muscles, and bone; weaker where tilted."""
    columns = borders[0].shape[1]
    pixel_mm = float(depth[1, 0] - depth[0, 0])
    lines = (
        (np.zeros_like(borders[0]), 14.0, 0.5),
        (borders[0], 9.0, 0.35),
        (borders[1], subject.fascia_db, subject.fascia_mm),
        (borders[2], subject.fascia_db - 1.0, subject.fascia_mm),
        (borders[3], BONE_DB, 0.8),
    )
    total = np.full((depth.shape[0], columns), -80.0, np.float32)
    for border, level_db, thickness_mm in lines:
        slope_deg = np.rad2deg(np.arctan(np.gradient(border[0]) / pixel_mm)).astype(np.float32)
        loss = np.minimum(np.square(slope_deg / 9.0) * 3.0, 12.0)  # a smooth interface reflects away from the probe
        peak = np.float32(level_db) - loss + np.float32(2.5) * _curve(rng, columns, columns / 10.0)
        off_axis = np.square((depth - border) / np.float32(thickness_mm / 2))
        np.maximum(total, peak - np.float32(12.0) * off_axis, out=total)
    return total
