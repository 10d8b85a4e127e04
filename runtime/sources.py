"""From what a user names (files, folders, patterns) to frames, in order, each with its name."""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeneuro.data.decode import SUFFIXES, is_frame_file, read_frame
from edgeneuro.errors import EdgeNeuroError, FrameError
from edgeneuro.spec import Array, Frame

log = logging.getLogger("edgeneuro")


@dataclass(frozen=True, kw_only=True)
class SourceFrame:
    """One frame of a source, or why there is none. source: path as named by the user, or below a folder so named.

    index: frame within the file, 0 for a still image. Exactly one of frame and error is None.
    """

    source: str
    index: int
    frame: Frame | None = None
    error: EdgeNeuroError | None = None


def read_sources(sources: Iterable[str]) -> Iterator[SourceFrame]:
    """Frames of files, folders (with what lies below them) and patterns ("scans/**/*.png"), in the order given.

    Within a folder or pattern, names are in natural order: frame2 before frame10. A .npy file of shape (frame, height,
    width[, 3]) yields each of its frames. What cannot be read is yielded as an error and the rest goes on.
    """
    for source in sources:
        try:
            paths = _paths(source)
        except FrameError as error:
            yield SourceFrame(source=source, index=0, error=error)
            continue
        for path in paths:
            yield from _frames(path)


def natural_key(path: Path) -> tuple[tuple[str | int, ...], ...]:
    """Sorts numbers inside names by value: every odd element of a part's split is a run of digits."""
    return tuple(
        tuple(int(piece) if odd % 2 else piece for odd, piece in enumerate(re.split(r"([0-9]+)", part)))
        for part in path.parts
    )


def _paths(source: str) -> list[Path]:
    path = Path(source)
    try:
        if path.is_dir():
            return _below(path)
    except OSError as error:  # a name too long, a folder that may not be entered
        raise FrameError(
            f"{source}: cannot be read ({error.strerror or error}); check its name and permissions"
        ) from error
    if not path.exists() and glob.has_magic(source):
        found = sorted((Path(name) for name in glob.glob(source, recursive=True)), key=natural_key)
        files = [name for name in found if name.is_file()]
        if not files:
            raise FrameError(f"{source}: matches no file; quote the pattern and check its folder")
        return files
    return [path]


def _below(folder: Path) -> list[Path]:
    """Frame files below `folder`; hidden ones are no data of the user's."""
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    frames = sorted((path for path in files if is_frame_file(path)), key=natural_key)
    if not frames:
        raise FrameError(
            f"{folder}: holds no frame among {len(files)} files; expected files ending in {' '.join(SUFFIXES)}"
        )
    if len(frames) < len(files):
        log.warning("%s: left out %d of %d files, which are no frames", folder, len(files) - len(frames), len(files))
    return frames


def _frames(path: Path) -> Iterator[SourceFrame]:
    name = str(path)
    try:
        stack = _stack(path) if path.suffix.lower() == ".npy" else None
        if stack is None:
            yield SourceFrame(source=name, index=0, frame=read_frame(path))
            return
    except EdgeNeuroError as error:
        yield SourceFrame(source=name, index=0, error=error)
        return
    for index, frame in enumerate(stack):
        yield SourceFrame(source=name, index=index, frame=np.array(frame))


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
