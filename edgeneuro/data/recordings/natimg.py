"""Recordings of natural images: natimg2800_*.mat, the images and the class files beside them.

Layout: Stringer et al. 2019, 10.1038/s41586-019-1346-5, data 10.25378/janelia.6845348, and the code published with them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.recordings.recording import GREY, UNKNOWN, Numbers, Recording, usable_neurons
from edgeneuro.errors import DataError
from edgeneuro.files import atomic_path
from edgeneuro.spec import Array, Float32

LICENCE = "CC-BY-NC-4.0"
NO_CLASS = "unknown"
"""Name of class 0 in a class file: images that show none of the others."""


def read_natimg(
    path: Path, *, images: Path | None = None, classes: Path | None = None, leave_out_red: bool = True
) -> Recording:
    """The session in `path`. Groups are images: both trials of one stay on one side of a split; grey trials are a group of their own.

    images: images_natimg2800_all.mat, kept as it is, (image, height, width). classes: stimuli_class_assignment*.mat; trials of its
    "unknown" images are UNKNOWN here, as grey ones are. leave_out_red: neurons that are marked as inhibitory (GAD), where the file says so,
    which takes most of the time of reading it. The largest image number of a session is its grey screen.

    Raises DataError: no such file, a field missing, numbers that do not fit together.
    """
    fields = _load(path, ("stim", "med", *(("stat",) if leave_out_red else ())))
    stim = _struct(fields, "stim", path)
    responses = _floats(_field(stim, "resp", path))
    shown = _field(stim, "istim", path).astype(np.int64).ravel()
    if len(shown) != len(responses):
        raise DataError(
            f"{path.name}: stim.istim has {len(shown)} trials, stim.resp {len(responses)}, expected as many"
        )
    if shown.min() < 1:
        raise DataError(f"{path.name}: stim.istim holds {shown.min()}, expected image numbers from 1")
    spontaneous = _floats(stim["spont"]) if "spont" in (stim.dtype.names or ()) else None
    positions = fields["med"].astype(np.float64) if "med" in fields else None
    kept, dropped = usable_neurons(responses, spontaneous)
    if leave_out_red and "stat" in fields:
        red = _red_cells(fields["stat"], responses.shape[1])
        dropped |= {"inhibitory neuron": int(np.count_nonzero(red & kept))} if (red & kept).any() else {}
        kept &= ~red
    stimuli = np.where(shown == shown.max(), GREY, shown - 1)
    names, of_image = ((), np.zeros(0, np.int64)) if classes is None else read_classes(classes)
    return Recording(
        name=path.stem,
        responses=responses[:, kept],
        stimuli=stimuli,
        groups=stimuli,
        classes=names,
        labels=_labels(stimuli, of_image, path),
        spontaneous=None if spontaneous is None else spontaneous[:, kept],
        positions_um=None if positions is None else positions[kept],
        images=None if images is None else read_images(images),
        dropped=dropped,
        licence=LICENCE,
    )


def read_images(path: Path) -> Array:
    """(image, height, width) as stored. Raises DataError."""
    stored = _field(_load(path, ("imgs",)), "imgs", path)
    if stored.ndim != 3:
        raise DataError(f"{path.name}: imgs is {stored.shape}, expected (height, width, image)")
    return np.ascontiguousarray(np.moveaxis(stored, 2, 0))


def read_classes(path: Path) -> tuple[tuple[str, ...], Numbers]:
    """Names of the classes without "unknown", and (image,) class numbers, UNKNOWN for those of none. Raises DataError."""
    fields = _load(path, ("class_assignment", "class_names"))
    given = _field(fields, "class_assignment", path).astype(np.int64).ravel()
    names = [str(np.asarray(name).item()) for name in _field(fields, "class_names", path).ravel()]
    if given.min() < 0 or given.max() >= len(names):
        raise DataError(f"{path.name}: assigns classes {given.min()} to {given.max()}, but names {len(names)}")
    if names[0] != NO_CLASS:
        raise DataError(
            f"{path.name}: names class 0 {names[0]!r}, expected {NO_CLASS!r}; is it a class file of natimg2800?"
        )
    return tuple(names[1:]), given - 1


def write_natimg(path: Path, recording: Recording) -> None:
    """`recording` as a session file, written whole or not at all; for simulated ones. Raises OutputError, DataError without
    grey trials, which the layout needs to number them."""
    from scipy.io import savemat

    if not recording.grey.any():
        raise DataError(
            f"{recording.name}: has no grey trial, expected some; the file could not be told from one that has"
        )
    grey = int(recording.stimuli.max()) + 2
    stim: dict[str, Array] = {
        "resp": recording.responses,
        "istim": np.where(recording.grey, grey, recording.stimuli + 1).astype(np.float64)[:, None],
    }
    if recording.spontaneous is not None:
        stim["spont"] = recording.spontaneous
    positions = {} if recording.positions_um is None else {"med": recording.positions_um}
    with atomic_path(path) as part:
        savemat(part, {"stim": stim, **positions}, appendmat=False, do_compression=True)


def write_images(path: Path, images: Array) -> None:
    """images: (image, height, width). Raises OutputError."""
    from scipy.io import savemat

    with atomic_path(path) as part:
        savemat(part, {"imgs": np.moveaxis(images, 0, 2)}, appendmat=False, do_compression=True)


def write_classes(path: Path, names: Sequence[str], of_image: Numbers) -> None:
    """names, of_image: as `read_classes` gives them. Raises OutputError."""
    from scipy.io import savemat

    cells = np.array([NO_CLASS, *names], object)[None]
    given = (of_image + 1).astype(np.uint8)[None]
    with atomic_path(path) as part:
        savemat(part, {"class_assignment": given, "class_names": cells}, appendmat=False)


def _load(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Only these variables: others, such as stat, take minutes. Raises DataError."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if not path.is_file():
        raise DataError(f"{path}: does not exist; get it from 10.25378/janelia.6845348 and give its path")
    try:
        loaded: dict[str, Any] = loadmat(path, variable_names=list(names), appendmat=False)
    except NotImplementedError as error:
        raise DataError(f"{path.name}: is a MATLAB 7.3 file, expected version 7 or older; save it with -v7") from error
    except (MatReadError, ValueError, OSError, EOFError, TypeError, IndexError, zlib.error) as error:
        raise DataError(f"{path.name}: is no readable MATLAB file ({error}); get it again") from error
    return loaded


def _struct(fields: dict[str, Any], name: str, path: Path) -> Any:
    stored = _field(fields, name, path)
    if stored.dtype.names is None or stored.size != 1:
        raise DataError(
            f"{path.name}: {name} is no structure, expected one with resp and istim; is it a natimg2800 session?"
        )
    return stored.ravel()[0]


def _field(record: Any, name: str, path: Path) -> Any:
    known = record.keys() if isinstance(record, dict) else record.dtype.names
    if name not in known:
        raise DataError(f"{path.name}: has no {name}; is it a natimg2800 file?")
    return record[name]


def _floats(stored: Array) -> Float32:
    return np.asarray(stored, np.float32)


def _labels(stimuli: Numbers, of_image: Numbers, path: Path) -> Numbers:
    """(trial,). of_image: empty where there is no class file."""
    if not len(of_image):
        return np.full(len(stimuli), UNKNOWN, np.int64)
    if int(stimuli.max()) >= len(of_image):
        raise DataError(
            f"{path.name}: shows image {int(stimuli.max()) + 1}, but the class file has {len(of_image)}; give that of the same images"
        )
    return np.where(stimuli == GREY, UNKNOWN, of_image[stimuli])


def _red_cells(stat: Array, neurons: int) -> NDArray[np.bool_]:
    """(neuron,). Suite2p marks them in `redcell`; a file of a mouse without marked cells does not have it."""
    red = np.zeros(neurons, bool)
    names = stat.dtype.names or ()
    if "redcell" in names and stat.size == neurons:
        red[:] = [
            bool(np.asarray(one).ravel()[0]) if np.asarray(one).size else False for one in stat["redcell"].ravel()
        ]
    return red
