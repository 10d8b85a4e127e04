"""How a simulated microscope records a neuron: fluorescence, point-spread function, dimming, haze, photons."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.volumes.capsules import Grid, capsules
from edgeneuro.neuron import SOMA, Neuron
from edgeneuro.spec import Float32
from edgeneuro.volume import Spacing

FULL_SCALE = 4095
"""Of the camera: 12 bits, stored in 16."""


@dataclass(frozen=True, kw_only=True)
class Microscope:
    """psf_um: standard deviation of the Gaussian point-spread function along z, y, x. photons: at the brightest dendrite.

    fade_um: path from the root at which a neurite has dimmed to 1/e, faintest: share of the light it keeps however far. beads:
    standard deviation, as a logarithm, of the brightness along a neurite. depth_um: depth at which light has dimmed to 1/e. haze: light from out of
    focus, as a share of the signal; haze_um: how far it spreads. background: photons of the tissue's own light; mottle: its
    variation as a share of it. gain: grey levels a photon. offset: grey level without light. read_noise: grey levels.
    """

    psf_um: Spacing = (0.9, 0.3, 0.3)
    photons: float = 150.0
    fade_um: float = 80.0
    faintest: float = 0.35
    beads: float = 0.3
    depth_um: float = 120.0
    haze: float = 0.4
    haze_um: float = 6.0
    background: float = 6.0
    mottle: float = 0.15
    gain: float = 10.0
    offset: float = 100.0
    read_noise: float = 8.0


def draw_microscope(rng: np.random.Generator) -> Microscope:
    """One by chance: from clean to barely legible."""
    blur = float(rng.uniform(0.8, 1.4))
    return Microscope(
        psf_um=(0.9 * blur, 0.3 * blur, 0.3 * blur),
        photons=float(np.exp(rng.uniform(np.log(30.0), np.log(300.0)))),
        fade_um=float(rng.uniform(50.0, 150.0)),
        depth_um=float(rng.uniform(60.0, 200.0)),
        haze=float(rng.uniform(0.1, 0.9)),
        background=float(rng.uniform(3.0, 14.0)),
        mottle=float(rng.uniform(0.05, 0.2)),
    )


def record(neuron: Neuron, grid: Grid, microscope: Microscope, rng: np.random.Generator) -> NDArray[np.uint16]:
    """(z, y, x) grey levels, 0..FULL_SCALE."""
    light = fluorescence(neuron, grid, brightness(neuron, microscope, rng))
    spread = _blurred(light, tuple(microscope.haze_um / step for step in grid.spacing_um))
    sharp = _blurred(light, tuple(um / step for um, step in zip(microscope.psf_um, grid.spacing_um, strict=True)))
    depth = grid.spacing_um[0] * np.arange(grid.shape[0], dtype=np.float32)[:, None, None]
    signal = (sharp + microscope.haze * spread) * np.exp(-depth / np.float32(microscope.depth_um))
    expected = microscope.photons * signal + _tissue(grid, microscope, rng)
    counted = rng.poisson(expected).astype(np.float32)
    grey = microscope.gain * counted + microscope.offset + rng.normal(0.0, microscope.read_noise, grid.shape)
    levels: NDArray[np.uint16] = np.clip(np.rint(grey), 0, FULL_SCALE).astype(np.uint16)
    return levels


def brightness(neuron: Neuron, microscope: Microscope, rng: np.random.Generator) -> NDArray[np.float64]:
    """(node,) light of each node's neurite, 1 at the soma: dims with the path from the root, and swells in beads."""
    path, bead = np.zeros(len(neuron)), rng.normal(0.0, 1.0, len(neuron))
    for node, parent in enumerate(neuron.parents.tolist()):
        if parent >= 0:
            path[node] = path[parent] + float(np.linalg.norm(neuron.points[node] - neuron.points[parent]))
            bead[node] = 0.7 * bead[parent] + np.sqrt(1 - 0.7**2) * bead[node]
    bead[neuron.types == SOMA] = 0.0
    dimmed = microscope.faintest + (1 - microscope.faintest) * np.exp(-path / microscope.fade_um)
    light: NDArray[np.float64] = dimmed * np.exp(microscope.beads * bead)
    return light


def fluorescence(neuron: Neuron, grid: Grid, light: NDArray[np.float64]) -> Float32:
    """(z, y, x) of the dye: each voxel by how much of it is inside, times the light of the brightest neurite there.

    light: (node,). What is inside is the depth under the surface in voxels, plus a half, from 0 to 1.
    """
    dye = np.zeros(grid.shape, np.float32)
    voxel_um = float(np.prod(grid.spacing_um)) ** (1 / 3)
    for node, box, depth in capsules(neuron, grid):
        part = light[node] * np.clip(depth / voxel_um + 0.5, 0.0, 1.0)
        np.maximum(dye[box], part.astype(np.float32), out=dye[box])
    return dye


def _tissue(grid: Grid, microscope: Microscope, rng: np.random.Generator) -> Float32:
    """(z, y, x) photons of the tissue's own light, uneven over some um and from one side to the other."""
    sigmas = tuple(4.0 / step for step in grid.spacing_um)
    mottle = _blurred(rng.normal(size=grid.shape).astype(np.float32), sigmas)
    mottle /= max(float(mottle.std()), 1e-9)
    slope = rng.uniform(-0.3, 0.3, 2)
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in grid.shape[1:])
    side = 1 + slope[0] * y[None, :, None] + slope[1] * x[None, None, :]
    tissue = microscope.background * np.maximum(side * (1 + microscope.mottle * mottle), 0.1)
    return np.asarray(tissue, np.float32)


def _blurred(voxels: Float32, sigmas: tuple[float, ...]) -> Float32:
    """Gaussian along z, y, x, mirrored at the faces. sigmas: in voxels."""
    planes = np.stack([cv2.GaussianBlur(plane, (0, 0), sigmas[2], sigmaY=sigmas[1]) for plane in voxels])
    columns = planes.reshape(len(planes), -1)
    deep = cv2.GaussianBlur(columns, (1, 0), sigmaX=0, sigmaY=sigmas[0])
    return np.asarray(deep, np.float32).reshape(voxels.shape)
