"""Simulated sets of neurites under a light microscope: volumes, and images that are projections of thin slabs.

What is modelled and what is our choice: docs/phantom.md. They are test objects; a network trained on them says nothing about
any animal.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.simulated import LICENCE
from edgeneuro.data.volumes.phantom import SimulatedVolume, simulate
from edgeneuro.errors import DataError
from edgeneuro.spec import Array, Frame
from edgeneuro.volume import BACKGROUND, FOREGROUND, IGNORE, Volume

VOLUMES, IMAGES = "phantom-volumes", "phantom-neurites"
CLASSES = ("background", "neurite")
FOLDS = 5
VOLUME_SHAPE = (32, 96, 96)
SLABS = 3
"""Of one simulated cell, one image each."""
CELL_SHAPE, CELL_SPACING_UM = (SLABS * 8, 256, 256), (1.5, 0.4, 0.4)
"""Eight planes a slab."""

_SOURCE = re.compile(r"phantom-(?:volumes|neurites)-(\d+)/\w+-(\d+)")
_KEPT = 32
"""Volumes, and cells, that are not simulated again when they are asked for a second time."""


def volumes_dataset(seed: int = 0, *, volumes: int = 24) -> DataSet:
    """Simulated volumes of 32 x 96 x 96 voxels of 1 x 0.5 x 0.5 um with exact masks, each its own group, in five folds.

    seed: other seeds give other volumes; each depends on the seed and its number alone, and is recorded on demand. Raises
    DataError for a negative seed or an empty set.
    """
    _check(VOLUMES, seed, volumes)
    return DataSet(
        name=VOLUMES if seed == 0 else f"{VOLUMES}:{seed}",
        classes=CLASSES,
        samples=tuple(_sample(f"{VOLUMES}-{seed}/volume-{number:03d}", 0, number) for number in range(volumes)),
        reader=read_voxels,
        mask_reader=read_volume_mask,
        volume_reader=read_simulated,
        simulated=True,
        licence=LICENCE,
    )


def neurites_dataset(seed: int = 0, *, cells: int = 20) -> DataSet:
    """Simulated images of neurites, 256 x 256 px of 0.4 um, 16 bits: maximum projections of the three slabs, 12 um thick, of each
    of `cells` volumes; grouped by volume, in five folds.

    seed: other seeds give other images; they are recorded on demand. Raises DataError for a negative seed or an empty set.
    """
    _check(IMAGES, seed, cells)
    return DataSet(
        name=IMAGES if seed == 0 else f"{IMAGES}:{seed}",
        classes=CLASSES,
        samples=tuple(
            _sample(f"{IMAGES}-{seed}/cell-{number:03d}", slab, number)
            for number in range(cells)
            for slab in range(SLABS)
        ),
        reader=read_projection,
        mask_reader=read_projected_mask,
        simulated=True,
        licence=LICENCE,
    )


def read_simulated(sample: Sample) -> Volume:
    """Of a sample of phantom-volumes. Raises DataError."""
    volume = _volume(*_numbers(sample)).volume
    return replace(volume, voxels=volume.voxels.copy())


def read_voxels(sample: Sample) -> Frame:
    """(z, y, x) uint16 of a sample of phantom-volumes. Raises DataError."""
    return read_simulated(sample).voxels


def read_volume_mask(sample: Sample) -> Array:
    """(z, y, x) uint8, labels of `swc_mask`. Raises DataError."""
    return _volume(*_numbers(sample)).mask.copy()


def read_projection(sample: Sample) -> Frame:
    """(256, 256) uint16 of a sample of phantom-neurites. Raises DataError."""
    image: Frame = _cell(*_numbers(sample))[0][sample.index].copy()
    return image


def read_projected_mask(sample: Sample) -> Array:
    """(256, 256) uint8 of a sample of phantom-neurites. Raises DataError."""
    mask: Array = _cell(*_numbers(sample))[1][sample.index].copy()
    return mask


def project_labels(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(z, y, x) -> (y, x): foreground where any plane has it, else IGNORE where any plane has that.

    Without any foreground nothing is ignored: a file with 0 and 255 alone would be read as a mask of foreground.
    """
    foreground = (labels == FOREGROUND).any(0)
    doubtful = (labels == IGNORE).any(0) & foreground.any()
    projected: NDArray[np.uint8] = np.where(foreground, FOREGROUND, np.where(doubtful, IGNORE, BACKGROUND)).astype(
        np.uint8
    )
    return projected


@lru_cache(_KEPT)
def _volume(seed: int, number: int) -> SimulatedVolume:
    return simulate(seed, number, VOLUME_SHAPE)


@lru_cache(_KEPT)
def _cell(seed: int, number: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """(slab, y, x): images, and masks."""
    made = simulate(seed, number, CELL_SHAPE, CELL_SPACING_UM)
    images = made.volume.voxels.reshape(SLABS, -1, *CELL_SHAPE[1:]).max(1)
    return images, np.stack([project_labels(labels) for labels in np.split(made.mask, SLABS)])


def _check(name: str, seed: int, count: int) -> None:
    if seed < 0 or count < 1:
        raise DataError(
            f"{name}: got seed {seed} and {count} to simulate, expected a seed from 0 and at least one; write {name} or {name}:SEED"
        )


def _sample(source: str, index: int, number: int) -> Sample:
    return Sample(source=source, index=index, target=None, group=source, fold=number % FOLDS)


def _numbers(sample: Sample) -> tuple[int, int]:
    """Seed and number. Raises DataError."""
    match = _SOURCE.fullmatch(sample.source)
    if match is None:
        raise DataError(
            f"{sample.source}: not simulated here, expected {VOLUMES}-SEED/volume-NUMBER or {IMAGES}-SEED/cell-NUMBER"
        )
    return int(match[1]), int(match[2])
