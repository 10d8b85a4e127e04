"""Simulated volumes of neurons under a light microscope, with exact truth; nothing is downloaded.

What is modelled and what is our choice: docs/phantom.md. They are test objects; a network trained on them says nothing about
any animal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.phantom_neurons_growth import Part, grow
from edgeneuro.data.volumes.capsules import Grid
from edgeneuro.data.volumes.phantom_microscope import Microscope, draw_microscope, record
from edgeneuro.data.volumes.swc_mask import swc_mask
from edgeneuro.errors import DataError
from edgeneuro.neuron import AXON, BASAL, Neuron
from edgeneuro.volume import Spacing, Volume

SHAPE = (64, 128, 128)
SPACING_UM: Spacing = (1.0, 0.5, 0.5)
MIN_SIDE = 8
STEP_UM = 1.5
"""Between the nodes of the truth."""
PASSING = (1, 4)
"""Least and most axons that come from cells outside the volume."""


@dataclass(frozen=True, kw_only=True)
class SimulatedVolume:
    """volume: as recorded. neuron: what is in it, um, its origin at the centre of voxel (0, 0, 0); of several trees, the first with
    the soma. mask: (z, y, x) uint8 labels of `swc_mask`. microscope: what the neurons were recorded with."""

    volume: Volume
    neuron: Neuron
    mask: NDArray[np.uint8]
    microscope: Microscope


def simulate(
    seed: int,
    number: int,
    shape: tuple[int, int, int] = SHAPE,
    spacing_um: Spacing = SPACING_UM,
    microscope: Microscope | None = None,
) -> SimulatedVolume:
    """Volume `number` of the phantom with this seed, the same for the same arguments.

    shape, spacing_um: along z, y, x. microscope: drawn by chance where None; the neurons do not depend on it. Raises DataError
    for a negative number and for a side below MIN_SIDE voxels.
    """
    if seed < 0 or number < 0 or min(shape) < MIN_SIDE:
        raise DataError(
            f"simulated volume: got seed {seed}, number {number} and shape {shape}, expected numbers from 0 and at least {MIN_SIDE} "
            "voxels a side"
        )
    grid = Grid(shape=shape, spacing_um=spacing_um)
    neuron = _scene(grid, np.random.default_rng([seed, number, 0]))
    rng = np.random.default_rng([seed, number, 1])
    microscope = microscope or draw_microscope(rng)
    voxels = record(neuron, grid, microscope, rng)
    return SimulatedVolume(
        volume=Volume(voxels=voxels, spacing_um=spacing_um),
        neuron=neuron,
        mask=swc_mask(neuron, shape, spacing_um),
        microscope=microscope,
    )


def _scene(grid: Grid, rng: np.random.Generator) -> Neuron:
    """A neuron near the middle and axons that pass it, cut at the faces of the volume."""
    size = np.array(grid.shape[::-1]) * grid.spacing_um[::-1]
    cell = grow(_cell_parts(rng), float(rng.uniform(4.0, 6.5)), STEP_UM, rng)
    trees = [replace(cell, points=cell.points + size * rng.uniform(0.3, 0.7, 3))]
    for _ in range(int(rng.integers(PASSING[0], PASSING[1] + 1))):
        trees.append(_passing_axon(size, rng))
    return _inside(_joined(trees), grid)


def _cell_parts(rng: np.random.Generator) -> tuple[Part, ...]:
    """Dendrites that fork and one thin axon, sized for a block of some 64 um. All numbers are ours."""
    dendrites = Part(
        name="dendrite", kind=BASAL, stems=int(rng.integers(3, 7)), path_um=70.0, forks_mm=22.0, wander=0.45, fork_angle=0.6,
        radius_um=float(rng.uniform(0.8, 1.4)), taper=0.75,
    )  # fmt: skip
    axon = Part(
        name="axon", kind=AXON, stems=1, path_um=120.0, forks_mm=12.0, wander=0.4, fork_angle=0.8,
        radius_um=float(rng.uniform(0.35, 0.6)), taper=0.95,
    )  # fmt: skip
    return dendrites, axon


def _passing_axon(size: NDArray[np.float64], rng: np.random.Generator) -> Neuron:
    """One that enters through a face, without the soma it came from."""
    part = Part(
        name="axon", kind=AXON, stems=1, path_um=1.5 * float(size.max()), forks_mm=6.0, wander=0.25, fork_angle=0.7,
        radius_um=float(rng.uniform(0.3, 0.7)), taper=0.95,
    )  # fmt: skip
    grown = grow((part,), 0.0, STEP_UM, rng)
    from_face = rng.uniform(0.1, 0.9, 3) * size
    course = grown.points[1] - grown.points[0]
    face = int(np.argmax(np.abs(course)))
    from_face[face] = 0.0 if course[face] > 0 else size[face]
    parents = grown.parents[1:] - 1
    return Neuron(
        points=grown.points[1:] - grown.points[1] + from_face,
        radii=grown.radii[1:],
        types=grown.types[1:],
        parents=parents,
    )


def _joined(trees: list[Neuron]) -> Neuron:
    """One forest."""
    first = np.cumsum([0, *map(len, trees)])
    parents = [
        np.where(tree.parents < 0, -1, tree.parents + at) for tree, at in zip(trees, first.tolist(), strict=False)
    ]
    return Neuron(
        points=np.concatenate([tree.points for tree in trees]),
        radii=np.concatenate([tree.radii for tree in trees]),
        types=np.concatenate([tree.types for tree in trees]),
        parents=np.concatenate(parents),
    )


def _inside(neuron: Neuron, grid: Grid) -> Neuron:
    """Nodes inside the volume; what comes back into it begins there anew."""
    kept: NDArray[np.bool_] = grid.beyond(neuron).max(1) == 0
    number = np.cumsum(kept) - 1
    above = neuron.parents[kept]
    parents = np.where((above >= 0) & kept[above], number[above], -1)
    return Neuron(points=neuron.points[kept], radii=neuron.radii[kept], types=neuron.types[kept], parents=parents)
