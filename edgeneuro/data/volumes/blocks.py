"""Labelled blocks in one Zarr container: blocks/NAME/data, label and weight, and what each was labelled by.

Every block is written whole or not at all, so that a training that was killed in a round finds only complete ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.volumes.read import read_volume
from edgeneuro.errors import DataError, InputError
from edgeneuro.files import atomic_folder, refuse_existing
from edgeneuro.records import from_json, to_json
from edgeneuro.spec import Array, Float32
from edgeneuro.volume import BACKGROUND, FOREGROUND, IGNORE, Spacing, Volume

LABELS = (BACKGROUND, FOREGROUND, IGNORE)
FOLDER = "blocks"
"""Of the container, in which every block has one of its own."""
CHUNK = 64
"""Voxels along the sides of a chunk: a chunk is what training reads at once."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the labels of a block come from. source: a person, the vesselness filter, a network, or the simulator's truth. round: that
    made them, 0 before the first. confidence: 0..1, None where nobody measured it."""

    source: Literal["manual", "filter", "network", "simulated"]
    round: int = 0
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True)
class Block:
    """volume: grey values as recorded. label: (z, y, x) uint8, of LABELS. weight: (z, y, x) float32 from 0, of each voxel in the loss.
    group: the volume that it was cut from, or the animal: what must not be divided; None for a block of its own.

    Raises DataError where the three differ in shape, and for other labels or weights.
    """

    volume: Volume
    label: NDArray[np.uint8]
    weight: Float32
    origin: Origin
    group: str | None = None

    def __post_init__(self) -> None:
        shape = self.volume.voxels.shape
        if self.label.shape != shape or self.weight.shape != shape:
            raise DataError(
                f"data is {shape}, label {self.label.shape}, weight {self.weight.shape}, expected one shape; crop them alike"
            )
        if self.label.dtype != np.uint8 or self.weight.dtype != np.float32:
            raise DataError(
                f"label is {self.label.dtype}, weight {self.weight.dtype}, expected uint8 and float32; convert them"
            )
        other = sorted(set(np.flatnonzero(np.bincount(self.label.ravel(), minlength=256)).tolist()) - set(LABELS))
        if other:
            raise DataError(
                f"labels are {', '.join(map(str, other[:4]))} in places, expected {', '.join(map(str, LABELS))} only; map them"
            )
        if not (np.isfinite(self.weight) & (self.weight >= 0)).all():
            raise DataError("weights are negative or not finite in places, expected numbers from 0; correct them")


@dataclass(frozen=True, kw_only=True)
class _Attributes:
    """Of the group of a block."""

    spacing_um: Spacing
    spacing_known: bool
    origin: Origin
    group: str | None = None


def block_names(container: Path) -> list[str]:
    """Names of the blocks in `container`, sorted. Raises DataError where there is no such container."""
    folder = container / FOLDER
    if not folder.is_dir():
        raise DataError(
            f"{container}: holds no blocks, expected a Zarr folder with a group {FOLDER}; write a block first"
        )
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and _NAME.fullmatch(entry.name))


def write_block(container: Path, name: str, block: Block, *, force: bool = False) -> None:
    """Add `block` to the Zarr container, which is made where it is missing. force: replace a block of that name.

    Raises DataError for a name that is no plain file name; OutputError where the block exists or cannot be written, on a full disk for
    example, and leaves the container as it was.
    """
    import zarr

    place = _place(container, name)
    refuse_existing(place, force=force)
    with atomic_folder(place) as folder:
        group = zarr.open_group(str(folder), mode="w")
        volume = block.volume
        attributes = _Attributes(
            spacing_um=volume.spacing_um, spacing_known=volume.spacing_known, origin=block.origin, group=block.group
        )
        group.attrs.update(to_json(attributes))
        for part, array in (("data", volume.voxels), ("label", block.label), ("weight", block.weight)):
            _write_array(folder / part, array)
        for above in (container / FOLDER, container):
            zarr.open_group(str(above), mode="a")


def read_block(container: Path, name: str) -> Block:
    """Block `name` of `container`. Raises DataError: missing, damaged, or not as `Block` has it."""
    place = _place(container, name)
    attributes = _attributes(container, name)
    try:
        volume = read_volume(place, dataset="data")
        return Block(
            volume=replace(volume, spacing_known=attributes.spacing_known),
            label=read_volume(place, dataset="label").voxels,
            weight=read_volume(place, dataset="weight").voxels,
            origin=attributes.origin,
            group=attributes.group,
        )
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
    except (InputError, OSError, ValueError, KeyError) as error:
        raise _unreadable(place, error) from error


def block_group(container: Path, name: str) -> str:
    """What block `name` must stay together with: its group, or its own name. Raises DataError: missing, damaged."""
    return _attributes(container, name).group or name


def _attributes(container: Path, name: str) -> _Attributes:
    import zarr

    place = _place(container, name)
    if not place.is_dir():
        raise DataError(f"{container}: has no block {name!r}; block_names() lists those there are")
    try:
        return from_json(_Attributes, dict(zarr.open_group(str(place), mode="r").attrs), str(place))
    except (InputError, OSError, ValueError, KeyError) as error:
        raise _unreadable(place, error) from error


def _unreadable(place: Path, error: Exception) -> DataError:
    return DataError(f"{place}: is no readable block ({error}); write it again")


def _place(container: Path, name: str) -> Path:
    if _NAME.fullmatch(name) is None:
        raise DataError(
            f"block {name!r}: is no name, expected letters, digits, '.', '_' and '-', a letter or digit first"
        )
    return container / FOLDER / name


def _write_array(place: Path, array: Array) -> None:
    import zarr

    chunks = tuple(min(side, CHUNK) for side in array.shape)
    written = zarr.open_array(str(place), mode="w", shape=array.shape, chunks=chunks, dtype=array.dtype)
    written[...] = array
