"""From what a user names (files, folders, patterns) to frames, volumes or arrays, in order, each with its name."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeneuro.data.arrays import ARRAY_SUFFIXES, read_arrays
from edgeneuro.data.decode import SUFFIXES, read_frame
from edgeneuro.data.swc import SWC_SUFFIX, is_neuron_file, read_swc
from edgeneuro.data.volumes import read_volume
from edgeneuro.data.volumes.zarr_folder import is_zarr
from edgeneuro.errors import EdgeNeuroError, FrameError
from edgeneuro.neuron import Neuron
from edgeneuro.spec import Array, Item
from edgeneuro.volume import Spacing

VOLUME_SUFFIXES = (".tif", ".tiff", ".v3draw", ".h5", ".hdf5", ".zarr")

log = logging.getLogger("edgeneuro")


@dataclass(frozen=True, kw_only=True)
class SourceFrame:
    """One frame, volume, neuron or set of arrays of a source, or why there is none.

    source: path as named by the user, or below a folder so named. name: what a result is filed under: the path below
    that folder, else the file's name. index: frame within the file, 0 for a still image. Exactly one of item and error is
    None. spacing_um: of a volume whose file says it.
    """

    source: str
    name: Path
    index: int
    item: Item | Neuron | None = None
    spacing_um: Spacing | None = None
    error: EdgeNeuroError | None = None


def read_sources(
    sources: Iterable[str], *, arrays: bool = False, neurons: bool = False, volumes: bool = False
) -> Iterator[SourceFrame]:
    """What files, folders (with what lies below them) and patterns ("scans/**/*.png") hold, in the order given.

    arrays: .npz and .npy files as they are, one sample a file, for networks that take no frames. neurons: .swc files in folders as
    well. volumes: stacks, each file or Zarr folder one volume (depth, height, width). Otherwise frames; a .npy file of shape
    (frame, height, width[, 3]) yields each of its frames. Within a folder or pattern, names are in natural order: frame2 before
    frame10. What cannot be read is yielded as an error and the rest goes on.
    """
    wanted: tuple[str, ...] = SUFFIXES
    read = _frames
    if arrays:
        wanted, read = ARRAY_SUFFIXES, _arrays
    elif volumes:
        wanted, read = VOLUME_SUFFIXES, _volumes
    elif neurons:
        wanted = (*SUFFIXES, SWC_SUFFIX)
    for source in sources:
        try:
            folder, paths = _paths(source, wanted)
        except FrameError as error:
            yield SourceFrame(source=source, name=Path(source), index=0, error=error)
            continue
        for path in paths:
            name = Path(path.name) if folder is None else path.relative_to(folder)
            yield from read(path, name)


def natural_key(path: Path) -> tuple[tuple[str | int, ...], ...]:
    """Sorts numbers inside names by value: every odd element of a part's split is a run of digits."""
    return tuple(
        tuple(int(piece) if odd % 2 else piece for odd, piece in enumerate(re.split(r"([0-9]+)", part)))
        for part in path.parts
    )


def _paths(source: str, suffixes: tuple[str, ...]) -> tuple[Path | None, list[Path]]:
    """The folder that `source` names, None where it names files; and the files."""
    path = Path(source)
    try:
        if path.is_dir() and not (".zarr" in suffixes and is_zarr(path)):
            return path, _below(path, suffixes)
    except OSError as error:  # a name too long, a folder that may not be entered
        raise FrameError(
            f"{source}: cannot be read ({error.strerror or error}); check its name and permissions"
        ) from error
    if not path.exists() and glob.has_magic(source):
        found = sorted((Path(name) for name in glob.glob(source, recursive=True)), key=natural_key)
        files = [name for name in found if name.is_file() or (".zarr" in suffixes and is_zarr(name))]
        if not files:
            raise FrameError(f"{source}: matches no file; quote the pattern and check its folder")
        return None, files
    return None, [path]


def _below(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Files below `folder` that end in one of `suffixes`; hidden ones are no data of the user's. A Zarr folder counts as a file."""
    files = [
        path for path in _files(folder) if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    frames = sorted((path for path in files if path.suffix.lower() in suffixes), key=natural_key)
    if not frames:
        raise FrameError(
            f"{folder}: holds no frame among {len(files)} files; expected files ending in {' '.join(suffixes)}"
        )
    if len(frames) < len(files):
        log.warning("%s: left out %d of %d files, which are no frames", folder, len(files) - len(frames), len(files))
    return frames


def _files(folder: Path) -> Iterator[Path]:
    """All below `folder`, not looking into Zarr folders, which may hold millions."""
    for place, folders, names in os.walk(folder):
        volumes = [name for name in folders if is_zarr(Path(place, name))]
        folders[:] = [name for name in folders if name not in volumes]
        yield from (path for path in (Path(place, name) for name in names) if path.is_file())
        yield from (Path(place, name) for name in volumes)


def _volumes(path: Path, name: Path) -> Iterator[SourceFrame]:
    try:
        volume = read_volume(path)
    except EdgeNeuroError as error:
        yield SourceFrame(source=str(path), name=name, index=0, error=error)
        return
    spacing = volume.spacing_um if volume.spacing_known else None
    yield SourceFrame(source=str(path), name=name, index=0, item=volume.voxels, spacing_um=spacing)


def _arrays(path: Path, name: Path) -> Iterator[SourceFrame]:
    try:
        yield SourceFrame(source=str(path), name=name, index=0, item=read_arrays(path))
    except EdgeNeuroError as error:
        yield SourceFrame(source=str(path), name=name, index=0, error=error)


def _frames(path: Path, name: Path) -> Iterator[SourceFrame]:
    try:
        if is_neuron_file(path):
            yield SourceFrame(source=str(path), name=name, index=0, item=read_swc(path))
            return
        stack = _stack(path) if path.suffix.lower() == ".npy" else None
        if stack is None:
            yield SourceFrame(source=str(path), name=name, index=0, item=read_frame(path))
            return
    except EdgeNeuroError as error:
        yield SourceFrame(source=str(path), name=name, index=0, error=error)
        return
    for index, frame in enumerate(stack):
        yield SourceFrame(source=str(path), name=name, index=index, item=np.array(frame))


def _stack(path: Path) -> Array | None:
    """The array in `path`, left on disk, if it holds several frames; None for one frame or what cannot be read."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError):
        return None  # read_frame says why
    if not isinstance(array, np.ndarray):
        return None
    several = array.ndim == 4 or (array.ndim == 3 and array.shape[2] not in (1, 3, 4))
    return array if several else None
