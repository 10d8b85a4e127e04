"""Folders whose files are volumes: which those are, and how a sample and its mask are read."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.sample import Sample
from edgeneuro.data.swc import is_neuron_file, read_swc
from edgeneuro.data.tables import ZARR
from edgeneuro.data.tiff_directories import is_tiff, read_directories
from edgeneuro.data.volumes.blocks import LABELS
from edgeneuro.data.volumes.read import read_volume
from edgeneuro.data.volumes.swc_mask import swc_mask
from edgeneuro.errors import DataError, FrameError
from edgeneuro.spec import Array, Frame
from edgeneuro.volume import FOREGROUND, Volume

SUFFIXES = (".v3draw", ".h5", ".hdf5", ZARR)
"""Of files, and folders, that hold nothing but volumes; a TIFF may hold an image as well."""
_TIFF = (".tif", ".tiff")


def is_volume_file(path: PurePath) -> bool:
    """Whether the name of `path` ends like a volume that is no image."""
    return path.suffix.lower() in SUFFIXES


def is_stack(path: Path) -> bool:
    """Whether `path` is a volume and no single image: by its name, a TIFF by its pages."""
    if path.suffix.lower() not in _TIFF:
        return is_volume_file(path)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return is_tiff(content[:4]) and len(read_directories(content, str(path))) > 1
    except (OSError, ValueError, FrameError):  # whoever reads it says what is wrong with it
        return False


def volume_readers(folder: Path, samples: Sequence[Sample], classes: int) -> dict[str, Any]:
    """Of a `DataSet` whose samples are volumes in `folder`, as the first file says; empty where that is an image.

    classes: 0 where nothing is labelled. Raises DataError for images among volumes, and for masks of more classes than two.
    """
    sources = [PurePath(sample.source) for sample in samples]
    volumes = is_stack(folder / sources[0])
    others = [source for source in sources if _of_one_kind(source) not in (volumes, None)]
    if others:
        raise DataError(
            f"{folder}: has images and volumes in one set ({sources[0]}, {others[0]}), expected one kind; keep them in folders of "
            "their own"
        )
    if not volumes:
        return {}
    masked = samples[0].mask is not None
    if masked and classes != 2:
        raise DataError(
            f"{folder}: has volumes with masks of {classes} classes, expected 2; merge them in dataset.json"
        )
    return {
        "reader": partial(_read_voxels, folder),
        "array_reader": None,
        "volume_reader": partial(_read, folder),
        "mask_reader": partial(_read_mask, folder) if masked else None,
    }


def _of_one_kind(path: PurePath) -> bool | None:
    """True for a name of volumes alone, False for one of none, None where the file decides."""
    return None if path.suffix.lower() in _TIFF else is_volume_file(path)


def read_labels(path: Path, volume: Volume) -> NDArray[np.uint8]:
    """(z, y, x) of {0, 1, 255}: what the file `path` says of each voxel of `volume`.

    An SWC file is drawn by `swc_mask`, in um where the spacing of the volume is known, else in voxels. In any other file 1 is
    foreground and 255 ignored; where no voxel is 1, 255 is foreground, as image editors save masks. Raises DataError for other values
    and for a neuron that lies outside; FrameError.
    """
    if not is_neuron_file(path):
        return _labels(read_volume(path).voxels, path)
    depth, height, width = volume.voxels.shape
    try:
        return swc_mask(read_swc(path), (depth, height, width), volume.spacing_um)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _labels(values: Array, path: Path) -> NDArray[np.uint8]:
    other = np.setdiff1d(values, LABELS)
    if len(other):
        raise DataError(
            f"{path}: has labels {', '.join(map(str, other[:4]))} in places, expected {', '.join(map(str, LABELS))} only; map them"
        )
    return (values if (values == FOREGROUND).any() else values > 0).astype(np.uint8)


def _read(folder: Path, sample: Sample) -> Volume:
    return read_volume(folder / sample.source)


def _read_voxels(folder: Path, sample: Sample) -> Frame:
    return _read(folder, sample).voxels


def _read_mask(folder: Path, sample: Sample) -> Array:
    if sample.mask is None:
        raise DataError(f"{sample.source}: has no mask, expected one for every volume; complete the table")
    return read_labels(folder / sample.mask, _read(folder, sample))
