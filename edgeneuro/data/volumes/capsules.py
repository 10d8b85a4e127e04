"""A neuron as solid bodies on a grid of voxels: from each node to its parent a capsule, whose radius changes along it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.neuron import SOMA, Neuron
from edgeneuro.volume import Spacing

Box = tuple[slice, slice, slice]
Points = NDArray[np.float64]
"""(point, 3) along z, y, x."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """shape: voxels along z, y, x. spacing_um: between their centres. origin_um: (z, y, x) of the centre of voxel (0, 0, 0)."""

    shape: tuple[int, int, int]
    spacing_um: Spacing
    origin_um: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def places(self, neuron: Neuron) -> Points:
        """(node, 3) in voxels, z y x; whole numbers are centres."""
        places: Points = (neuron.points[:, ::-1] - self.origin_um) / self.spacing_um
        return places

    def beyond(self, neuron: Neuron) -> Points:
        """(node, 3) um, z y x: how far each node lies outside the outer faces of the voxels; 0 within."""
        places = self.places(neuron)
        outside = np.maximum(np.maximum(-0.5 - places, places - np.array(self.shape) + 0.5), 0.0)
        beyond: Points = outside * self.spacing_um
        return beyond


def capsules(neuron: Neuron, grid: Grid) -> Iterator[tuple[int, Box, NDArray[np.float64]]]:
    """Each body that touches the grid, as node, box, depth.

    node: row of the farther end; of a root, which is a ball, its own. box: of voxels around the body. depth: (z, y, x) of the box, um
    that a voxel's centre lies under the surface, negative outside: the radius at the nearest point of the axis less the
    distance from it. A neurite keeps its own radius up to the middle of the soma, and does not widen into a cone.
    """
    ends = neuron.points[:, ::-1] - grid.origin_um
    for node, parent in enumerate(neuron.parents.tolist()):
        near = node if parent < 0 else parent
        leaves_soma = neuron.types[near] == SOMA and neuron.types[node] != SOMA
        radii = neuron.radii[[node if leaves_soma else near, node]]
        box = _box(ends[[near, node]], float(radii.max()), grid)
        if all(side.start < side.stop for side in box):
            yield node, box, _depth(box, ends[near], ends[node], radii, grid.spacing_um)


def axis_voxels(neuron: Neuron, grid: Grid) -> NDArray[np.int64]:
    """(voxel, 3) z y x: those that the axes of the capsules run through, at steps of at most half a voxel; inside the grid."""
    places = grid.places(neuron)
    along = [places]
    for node, parent in enumerate(neuron.parents.tolist()):
        if parent >= 0:
            steps = int(np.ceil(2 * np.abs(places[node] - places[parent]).max()))
            share = np.linspace(0.0, 1.0, max(steps, 1), endpoint=False)[:, None]
            along.append(places[parent] + share * (places[node] - places[parent]))
    voxels = np.rint(np.concatenate(along)).astype(np.int64)
    inside: NDArray[np.bool_] = np.all((voxels >= 0) & (voxels < grid.shape), axis=1)
    return voxels[inside]


def _box(ends: Points, radius: float, grid: Grid) -> Box:
    """Around a capsule and one voxel more. ends: um from the centre of the first voxel."""
    first = np.maximum(np.floor((ends.min(0) - radius) / grid.spacing_um) - 1, 0).astype(int).tolist()
    last = np.minimum(np.ceil((ends.max(0) + radius) / grid.spacing_um) + 2, grid.shape).astype(int).tolist()
    return slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2])


def _depth(box: Box, near: Points, far: Points, radii: NDArray[np.float64], spacing: Spacing) -> NDArray[np.float64]:
    z, y, x = (step * np.arange(side.start, side.stop) for side, step in zip(box, spacing, strict=True))
    offset = [z[:, None, None] - near[0], y[None, :, None] - near[1], x[None, None, :] - near[2]]
    axis = far - near
    length = float(axis @ axis)
    along = sum(a * o for a, o in zip(axis.tolist(), offset, strict=True))
    share = np.clip(along / length, 0.0, 1.0) if length > 0 else np.zeros((1, 1, 1))
    away = sum((o - share * a) ** 2 for a, o in zip(axis.tolist(), offset, strict=True))
    depth: NDArray[np.float64] = radii[0] + share * (radii[1] - radii[0]) - np.sqrt(away)
    return depth
