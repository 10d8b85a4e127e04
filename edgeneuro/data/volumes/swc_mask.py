"""Masks of neurons: the voxels inside a reconstruction, with a band around them of which nothing is claimed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.volumes.capsules import Grid, axis_voxels, capsules
from edgeneuro.errors import DataError
from edgeneuro.neuron import Neuron
from edgeneuro.volume import BACKGROUND, FOREGROUND, IGNORE, Spacing


def swc_mask(
    neuron: Neuron,
    shape: tuple[int, int, int],
    spacing_um: Spacing,
    origin_um: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> NDArray[np.uint8]:
    """(z, y, x) uint8 labels of the voxels of a volume that `neuron` was traced in.

    Foreground: centres inside the capsules of `capsules`, and the voxels that their axes run through, so that the thinnest neurite is one
    voxel wide and whole. Ignore: the voxels next to those, corners included. shape, spacing_um, origin_um: along z, y, x, as in
    `Grid`; for a reconstruction in voxels the spacing is (1, 1, 1). Raises DataError for nodes outside the volume, and says by how
    much.
    """
    grid = Grid(shape=shape, spacing_um=spacing_um, origin_um=origin_um)
    _refuse_outside(neuron, grid)
    inside = np.zeros(shape, np.bool_)
    inside[tuple(axis_voxels(neuron, grid).T)] = True
    for _, box, depth in capsules(neuron, grid):
        inside[box] |= depth >= 0
    labels = np.where(_grown(inside), IGNORE, BACKGROUND).astype(np.uint8)
    labels[inside] = FOREGROUND
    return labels


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`mask` and all 26 neighbours of its voxels."""
    for axis in range(mask.ndim):
        before = np.moveaxis(mask, axis, 0)
        mask = mask.copy()
        after = np.moveaxis(mask, axis, 0)
        after[1:] |= before[:-1]
        after[:-1] |= before[1:]
    return mask


def _refuse_outside(neuron: Neuron, grid: Grid) -> None:
    beyond = grid.beyond(neuron)
    outside = int(np.count_nonzero(beyond.any(1)))
    if outside:
        far = ", ".join(
            f"{um:.4g} um along {axis}" for axis, um in zip("zyx", beyond.max(0).tolist(), strict=True) if um
        )
        raise DataError(
            f"neuron: {outside} of {len(neuron)} nodes lie outside the volume of {grid.shape} voxels of {grid.spacing_um} um, by up to "
            f"{far}; check its unit, spacing and origin, or cut the tree"
        )
