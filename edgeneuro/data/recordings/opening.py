"""A session by what a user calls it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from edgeneuro.data.folder import DATA_VARIABLE, find_folder
from edgeneuro.data.recordings.gratings import read_gratings
from edgeneuro.data.recordings.natimg import read_natimg
from edgeneuro.data.recordings.recording import Recording
from edgeneuro.data.recordings.simulated import SimulatedRecording, simulate_session
from edgeneuro.errors import DataError

SIMULATED: Mapping[str, Callable[[int], SimulatedRecording]] = {
    "v1-simulated": simulate_session,
    "v1-simulated-large": partial(simulate_session, neurons=10_000, images=2800, classes=16),
}
"""Name -> called with the seed; the large one is of the size of the published sessions."""
SUFFIXES = (".npz", ".mat")
GRATINGS = "v1_gratings_2p"
IMAGES, CLASSES = "images_natimg2800_all.mat", "stimuli_class_assignment_confident.mat"
"""Looked for beside a session of natural images; what is not there is missing from the recording."""


def open_recording(spec: str) -> Recording:
    """spec: a session's .npz of gratings or .mat of natural images; the name of a session of v1_gratings_2p, e.g. mrcuts28_fov4, looked
    for in $EDGENEURO_DATA; or a key of SIMULATED, or KEY:SEED.

    The images and the classes of a .mat are taken from the files of their usual names beside it. Raises DataError, FrameError.
    """
    name, _, seed = spec.partition(":")
    if name in SIMULATED:
        if not (seed or "0").isdecimal():
            raise DataError(f"{spec}: has seed {seed!r}, expected a whole number from 0, as in {name}:7")
        return SIMULATED[name](int(seed or "0")).recording
    path = _path(spec)
    if path.suffix.lower() == ".mat":
        images, classes = path.parent / IMAGES, path.parent / CLASSES
        return read_natimg(
            path, images=images if images.is_file() else None, classes=classes if classes.is_file() else None
        )
    return read_gratings(path)


def is_session(spec: str) -> bool:
    """Whether `spec` is the file of a session, or the name of one of v1_gratings_2p that is found here and is no folder."""
    path, root = Path(spec).expanduser(), os.environ.get(DATA_VARIABLE)
    if path.suffix.lower() in SUFFIXES and path.is_file():
        return True
    named = Path(root or ".") / GRATINGS / "sessions" / f"{spec}.npz"
    return bool(spec) and not path.exists() and named.is_file()


def session_names() -> tuple[str, ...]:
    """Of v1_gratings_2p on this machine. Raises DataError where it is not there."""
    return tuple(sorted(path.stem for path in (find_folder(GRATINGS) / "sessions").glob("*.npz")))


def _path(spec: str) -> Path:
    path = Path(spec).expanduser()
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise DataError(f"{spec}: is no session, expected a .npz of gratings or a .mat of natural images")
        return path
    if path.exists() or path.suffix:
        raise DataError(f"{spec}: is no file, expected a .npz of gratings or a .mat of natural images; check its name")
    named = find_folder(GRATINGS) / "sessions" / f"{spec}.npz"
    if not named.is_file():
        raise DataError(
            f"{spec!r}: no such session, expected a file, {'[:SEED], '.join(SIMULATED)}[:SEED] or one of {', '.join(session_names())}"
        )
    return named
