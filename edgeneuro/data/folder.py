"""Folders of frames as data sets: with a description, a table, labelled blocks, class-named subfolders, or nothing but images."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from edgeneuro.data.arrays import is_array_file, read_arrays
from edgeneuro.data.burlina import is_burlina, open_burlina
from edgeneuro.data.decode import SUFFIXES, is_frame_file, read_frame
from edgeneuro.data.ham10000 import is_ham10000, open_ham10000
from edgeneuro.data.masks import TWO_CLASSES, read_mask
from edgeneuro.data.pictures import read_picture
from edgeneuro.data.registered import DESCRIPTION, NOT_IMAGES, REGISTERED, Description, read_description
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.simulated import SIMULATED, is_simulated, open_simulated
from edgeneuro.data.swc import SWC_SUFFIX, is_neuron_file, read_swc
from edgeneuro.data.tables import table_samples, walk
from edgeneuro.data.volumes.block_set import is_container, open_blocks
from edgeneuro.data.volumes.folders import SUFFIXES as VOLUME_SUFFIXES
from edgeneuro.data.volumes.folders import is_volume_file, volume_readers
from edgeneuro.drawing import Drawing
from edgeneuro.errors import DataError
from edgeneuro.neuron import Neuron
from edgeneuro.spec import Array, Frame, Item

DATA_VARIABLE = "EDGENEURO_DATA"
"""Environment variable: the folder that holds the registered data sets."""

IMAGES, MASKS = "images", "masks"
"""Subfolders of a set with masks and no table."""

_log = logging.getLogger(__name__)


def open_data(spec: str, *, label_column: str | None = None, group_column: str | None = None) -> DataSet:
    """A data set by what a user calls it; frames are read when asked for.

    spec: a set this package makes, such as "phantom-lesions", or one of another seed, "phantom:SEED"; a folder; a registered
    name, looked for in $EDGENEURO_DATA; or a session of neurons, as edgeneuro.data.recordings.opening finds it by name or file.
    label_column, group_column: of the folder's table, in place of those described or registered.
    A folder with neither a table nor two class-named subfolders is unlabelled: `classes` is empty, targets are None.
    Raises DataError.
    """
    if is_simulated(spec):
        return open_simulated(spec)
    from edgeneuro.data.recordings.as_data import open_session  # which looks for folders here
    from edgeneuro.data.recordings.opening import is_session

    if is_session(spec):
        if label_column or group_column:
            raise DataError(f"{spec}: labels and groups are always those of the session; leave the flags out")
        return open_session(spec)
    return open_folder(find_folder(spec), label_column=label_column, group_column=group_column)


def find_folder(spec: str) -> Path:
    """The folder `spec`, or $EDGENEURO_DATA/`spec`. Raises DataError saying where it was looked for."""
    path = Path(spec).expanduser()
    if spec and path.is_dir():
        return path
    if path.exists():
        raise DataError(f"{spec}: is a file, expected a folder of frames; give the folder that holds it")
    root = os.environ.get(DATA_VARIABLE)
    if root and spec and (Path(root) / spec).is_dir():
        return Path(root) / spec
    hint = f"not in {root} either" if root else f"set {DATA_VARIABLE} to the folder that holds registered sets"
    made = ", ".join(f"{name}[:SEED]" for name in SIMULATED)
    raise DataError(
        f"{spec!r}: no such folder ({hint}); expected a folder, a session, {made} or one of {', '.join(REGISTERED)}"
    )


def open_folder(folder: Path, *, label_column: str | None = None, group_column: str | None = None) -> DataSet:
    """The data set in `folder`: by dataset.json, by its name, by labels.csv, by its blocks, by its subfolders. Raises DataError."""
    if is_burlina(folder) and not (folder / DESCRIPTION).is_file():
        if group_column:
            raise DataError(f"{folder}: groups are always the subjects here; leave --group-column out")
        return open_burlina(folder, scenario=label_column or "S4")
    if is_ham10000(folder) and not any((folder / name).is_file() for name in (DESCRIPTION, "labels.csv")):
        if label_column or group_column:
            raise DataError(f"{folder}: labels and groups are always dx and lesion_id here; leave the flags out")
        return open_ham10000(folder)
    description = _describe(folder)
    if description is None and is_container(folder):
        return open_blocks(folder)
    if description is None:
        if label_column or group_column:
            raise DataError(
                f"{folder}: has no labels.csv whose columns could be chosen; add one, or leave the flags out"
            )
        return _open_without_table(folder)
    description = replace(
        description,
        label_column=label_column or description.label_column,
        group_column=group_column or description.group_column,
        classes=() if label_column else description.classes,
    )
    classes, samples, dropped = table_samples(folder, description)
    if not samples:
        raise DataError(f"{folder / description.table}: has no labelled row ({dict(dropped)} dropped); add some")
    return DataSet(
        name=description.name,
        classes=classes,
        samples=samples,
        **_readers(folder, samples, len(classes)),
        subgroups=_subgroups(description, samples[0]),
        dropped=dropped,
        simulated=description.simulated,
        licence=description.licence,
    )


def read_sample(folder: Path, sample: Sample) -> Frame:
    """Pixels of a sample whose source is a file in `folder`."""
    return read_frame(folder / sample.source)


def read_item(folder: Path, sample: Sample) -> Item:
    """The arrays of a sample whose source is a .npz or .npy in `folder`, the pixels of any other."""
    path = folder / sample.source
    return read_arrays(path) if is_array_file(path) else read_frame(path)


def read_neuron(folder: Path, sample: Sample) -> Neuron:
    """The neuron of a sample whose source is an SWC file in `folder`."""
    return read_swc(folder / sample.source)


def _readers(folder: Path, samples: Sequence[Sample], classes: int) -> dict[str, Any]:
    """How the samples are read: neurons, volumes, images or arrays. Raises DataError where they are of several kinds."""
    return {
        "reader": partial(read_sample, folder),
        "array_reader": partial(read_item, folder),
        "mask_reader": partial(_read_mask, folder, classes) if samples[0].mask is not None else None,
        **_neurons(folder, samples),
        **volume_readers(folder, samples, classes),
    }


def _neurons(folder: Path, samples: Sequence[Sample]) -> dict[str, Any]:
    """How the samples are read where they are SWC files. Raises DataError where some are and some are not."""
    neurons = [sample.source for sample in samples if is_neuron_file(PurePath(sample.source))]
    if neurons and len(neurons) < len(samples):
        raise DataError(
            f"{folder}: has {len(neurons)} neurons ({neurons[0]}, ...) among {len(samples)} files, expected all or none; "
            "keep neurons and pictures in folders of their own"
        )
    if not neurons:
        return {}
    return {"neuron_reader": partial(read_neuron, folder), "picture_reader": partial(_read_picture, folder)}


def _read_picture(folder: Path, sample: Sample, drawing: Drawing) -> Frame:
    return read_picture(folder / sample.source, drawing)


def _subgroups(description: Description, sample: Sample) -> dict[str, tuple[float, ...]]:
    """Those of the described columns that the table has; what it lacks is said."""
    missing = [column for column in description.subgroups if column not in sample.tags]
    if missing:
        _log.warning(
            "%s: its table has no column %s, so there are no subgroups by it", description.name, ", ".join(missing)
        )
    return {column: bands for column, bands in description.subgroups.items() if column not in missing}


def _read_mask(folder: Path, classes: int, sample: Sample) -> Array:
    if sample.mask is None:
        raise DataError(f"{sample.source}: has no mask, expected one for every frame; complete the table")
    return read_mask(folder / sample.mask, classes)


def _describe(folder: Path) -> Description | None:
    name = folder.resolve().name
    if (folder / DESCRIPTION).is_file():
        return read_description(folder)
    if name in REGISTERED:
        return REGISTERED[name]
    if name in NOT_IMAGES:
        raise DataError(
            f"{name}: holds sessions, expected one of them by name, e.g. mrcuts28_fov4, or one of {', '.join(REGISTERED)}"
        )
    if (folder / "labels.csv").is_file():
        return Description(name=name)
    return None


def _open_without_table(folder: Path) -> DataSet:
    files = [path.relative_to(folder) for path in walk(folder)]
    kinds = (is_frame_file, is_array_file, is_neuron_file, is_volume_file)
    frames = [file for file in files if any(is_kind(file) for is_kind in kinds)]
    if not frames:
        endings = " ".join((*SUFFIXES, ".npz", SWC_SUFFIX, *VOLUME_SUFFIXES))
        raise DataError(f"{folder}: holds no frames, expected labels.csv or files ending in {endings}")
    at_top = sum(len(file.parts) == 1 for file in frames)
    if at_top not in (0, len(frames)):
        raise DataError(
            f"{folder}: has {at_top} frames beside its subfolders and {len(frames) - at_top} in them, expected all in "
            "subfolders named like their class, or none; move them, or write a labels.csv"
        )
    subfolders = sorted({file.parts[0] for file in frames})
    masks: dict[str, str] = {}
    classes: tuple[str, ...] = ()
    if subfolders == [IMAGES, MASKS]:
        classes = TWO_CLASSES
        masks = _pairs(folder, frames)
        frames = [file for file in frames if file.parts[0] == IMAGES]
    elif not at_top and len(subfolders) > 1:
        classes = tuple(subfolders)
    if classes:
        what = "masks are found by their names" if masks else "subfolders are classes"
        _log.warning("%s: no labels.csv, so %s and every file is its own group", folder.name, what)
    samples = tuple(
        Sample(
            source=file.as_posix(),
            index=0,
            target=classes.index(file.parts[0]) if classes and not masks else None,
            group=file.as_posix(),
            mask=masks.get(file.as_posix()),
        )
        for file in frames
    )
    left_out = len(files) - len(frames) - len(masks)
    return DataSet(
        name=folder.resolve().name,
        classes=classes,
        samples=samples,
        **_readers(folder, samples, len(classes)),
        dropped={"not a frame file": left_out} if left_out else {},
    )


def _pairs(folder: Path, files: list[Path]) -> dict[str, str]:
    """Frame in images/ -> the file in masks/ of the same name, whatever its ending. Raises DataError where one lacks."""
    by_stem = {file.relative_to(MASKS).with_suffix(""): file for file in files if file.parts[0] == MASKS}
    frames = [file for file in files if file.parts[0] == IMAGES]
    lonely = [file for file in frames if file.relative_to(IMAGES).with_suffix("") not in by_stem]
    if lonely or len(by_stem) != len(frames):
        example = lonely[0] if lonely else "a mask without a frame"
        raise DataError(
            f"{folder}: has {len(frames)} frames and {len(by_stem)} masks, first without a partner: {example}; "
            "name each mask like its frame, or list them in labels.csv"
        )
    return {file.as_posix(): by_stem[file.relative_to(IMAGES).with_suffix("")].as_posix() for file in frames}
