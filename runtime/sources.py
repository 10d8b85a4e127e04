"""From what a user names (files, folders, patterns) to frames or arrays, in order, each with its name."""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeneuro.data.arrays import ARRAY_SUFFIXES, read_arrays
from edgeneuro.data.decode import SUFFIXES, read_frame
from edgeneuro.data.swc import SWC_SUFFIX, is_neuron_file, read_swc
from edgeneuro.errors import EdgeNeuroError, FrameError
from edgeneuro.neuron import Neuron
from edgeneuro.spec import Array, Item

log = logging.getLogger("edgeneuro")


@dataclass(frozen=True, kw_only=True)
class SourceFrame:
    """One frame, neuron or set of arrays of a source, or why there is none.

    source: path as named by the user, or below a folder so named. name: what a result is filed under: the path below
    that folder, else the file's name. index: frame within the file, 0 for a still image. Exactly one of item and error is
    None.
    """

    source: str
    name: Path
    index: int
    item: Item | Neuron | None = None
    error: EdgeNeuroError | None = None


def read_sources(sources: Iterable[str], *, arrays: bool = False, neurons: bool = False) -> Iterator[SourceFrame]:
    """What files, folders (with what lies below them) and patterns ("scans/**/*.png") hold, in the order given.

    arrays: .npz and .npy files as they are, one sample a file, for networks that take no frames. neurons: .swc files in
    folders as well. Otherwise frames; a .npy file of shape (frame, height, width[, 3]) yields each of its frames. Within a folder or pattern, names are in natural
    order: frame2 before frame10. What cannot be read is yielded as an error and the rest goes on.
    """
    wanted = ARRAY_SUFFIXES if arrays else (*SUFFIXES, SWC_SUFFIX) if neurons else SUFFIXES
    for source in sources:
        try:
            folder, paths = _paths(source, wanted)
        except FrameError as error:
            yield SourceFrame(source=source, name=Path(source), index=0, error=error)
            continue
        for path in paths:
            name = Path(path.name) if folder is None else path.relative_to(folder)
            yield from _arrays(path, name) if arrays else _frames(path, name)


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
        if path.is_dir():
            return path, _below(path, suffixes)
    except OSError as error:  # a name too long, a folder that may not be entered
        raise FrameError(
            f"{source}: cannot be read ({error.strerror or error}); check its name and permissions"
        ) from error
    if not path.exists() and glob.has_magic(source):
        found = sorted((Path(name) for name in glob.glob(source, recursive=True)), key=natural_key)
        files = [name for name in found if name.is_file()]
        if not files:
            raise FrameError(f"{source}: matches no file; quote the pattern and check its folder")
        return None, files
    return None, [path]


def _below(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Files below `folder` that end in one of `suffixes`; hidden ones are no data of the user's."""
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    frames = sorted((path for path in files if path.suffix.lower() in suffixes), key=natural_key)
    if not frames:
        raise FrameError(
            f"{folder}: holds no frame among {len(files)} files; expected files ending in {' '.join(suffixes)}"
        )
    if len(frames) < len(files):
        log.warning("%s: left out %d of %d files, which are no frames", folder, len(files) - len(frames), len(files))
    return frames


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
