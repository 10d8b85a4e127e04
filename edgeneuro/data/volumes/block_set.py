"""A container of labelled blocks as a data set."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.volumes.blocks import FOLDER, Block, block_group, block_names, read_block
from edgeneuro.errors import DataError
from edgeneuro.spec import Array, Frame
from edgeneuro.volume import Volume

CLASSES = ("background", "neurite")


def is_container(folder: Path) -> bool:
    """Whether blocks were written to `folder`."""
    return any((folder / FOLDER / marker).is_file() for marker in ("zarr.json", ".zgroup"))


def open_blocks(container: Path) -> DataSet:
    """Every block a sample, called blocks/NAME, grouped by what it was cut from. Raises DataError: none there, one damaged."""
    names = block_names(container)
    if not names:
        raise DataError(f"{container}: holds no blocks, expected at least one; write_block() adds them")
    return DataSet(
        name=container.resolve().name,
        classes=CLASSES,
        samples=tuple(
            Sample(source=f"{FOLDER}/{name}", index=0, target=None, group=block_group(container, name))
            for name in names
        ),
        reader=partial(_voxels, container),
        mask_reader=partial(_mask, container),
        volume_reader=partial(_volume, container),
    )


def block_of(container: Path, sample: Sample) -> Block:
    """The whole block of a sample of `open_blocks`. Raises DataError."""
    return read_block(container, PurePosixPath(sample.source).name)


def _volume(container: Path, sample: Sample) -> Volume:
    return block_of(container, sample).volume


def _voxels(container: Path, sample: Sample) -> Frame:
    return block_of(container, sample).volume.voxels


def _mask(container: Path, sample: Sample) -> Array:
    return block_of(container, sample).label
