"""A data set written as a folder that `open_data` reads back: PNG, SWC or TIFF files, masks, labels.csv, dataset.json."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2

from edgeneuro.data.folder import MASKS
from edgeneuro.data.registered import DESCRIPTION, Description, read_description
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.swc_text import encode_swc
from edgeneuro.data.tables import MASK_COLUMN
from edgeneuro.data.volumes.tiff_writing import encode_tiff
from edgeneuro.errors import DataError, OutputError
from edgeneuro.files import atomic_folder, canonical_json, refuse_existing
from edgeneuro.records import to_json
from edgeneuro.spec import Frame


def write_folder(
    dataset: DataSet, out: Path, *, force: bool = False, on_frame: Callable[[], None] = lambda: None
) -> None:
    """Write every frame, neuron or volume, with its mask, of a labelled data set and what describes it; the folder appears whole or not at all.

    Groups keep their names, so the guards against leakage know a frame of the copy by its group. force: replace
    `out`, if it is itself a simulated data set. Raises OutputError when `out` exists or cannot be written.
    """
    refuse_existing(out, force=force)
    if out.exists():
        _refuse_foreign(out)
    description = Description(
        name=dataset.name,
        classes=dataset.classes,
        subgroups=dataset.subgroups,
        licence=dataset.licence,
        simulated=dataset.simulated,
    )
    with atomic_folder(out) as folder:
        for name in (_subfolder(dataset), *([MASKS] if dataset.has_masks else [])):
            (folder / name).mkdir()
        for sample in dataset.samples:
            (folder / _file(dataset, sample)).write_bytes(_frame(dataset, sample))
            if dataset.has_masks:
                (folder / _mask_file(dataset, sample)).write_bytes(_mask(dataset, sample))
            on_frame()
        _write_table(folder / description.table, dataset)
        (folder / DESCRIPTION).write_bytes(canonical_json(to_json(description)))


def _subfolder(dataset: DataSet) -> str:
    return "neurons" if dataset.has_neurons else "volumes" if dataset.has_volumes else "images"


def _file(dataset: DataSet, sample: Sample) -> str:
    return f"{_subfolder(dataset)}/{_name(dataset, sample)}"


def _mask_file(dataset: DataSet, sample: Sample) -> str:
    return f"{MASKS}/{_name(dataset, sample)}"


def _name(dataset: DataSet, sample: Sample) -> str:
    name = sample.source.replace("/", "_")
    if dataset.has_neurons:
        return f"{name}.swc"
    return f"{name}.tif" if dataset.has_volumes else f"{name}_{sample.index:02d}.png"


def _frame(dataset: DataSet, sample: Sample) -> bytes:
    if dataset.has_neurons:
        return encode_swc(dataset.neuron(sample))
    return encode_tiff(dataset.volume(sample)) if dataset.has_volumes else _png(dataset.read(sample))


def _mask(dataset: DataSet, sample: Sample) -> bytes:
    mask = dataset.mask(sample)
    return encode_tiff(replace(dataset.volume(sample), voxels=mask)) if dataset.has_volumes else _png(mask)


def _png(frame: Frame) -> bytes:
    pixels = frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".png", pixels)[1])


def _write_table(path: Path, dataset: DataSet) -> None:
    tags = sorted({name for sample in dataset.samples for name in sample.tags})
    folds = all(sample.fold is not None for sample in dataset.samples)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            ["file", MASK_COLUMN if dataset.has_masks else "label", "group_id", *tags, *(["fold"] if folds else [])]
        )
        for sample in dataset.samples:
            label = _mask_file(dataset, sample) if dataset.has_masks else _label(dataset, sample)
            cells = [sample.tags.get(name, "") for name in tags]
            table.writerow([_file(dataset, sample), label, sample.group, *cells, *([sample.fold] if folds else [])])


def _label(dataset: DataSet, sample: Sample) -> str:
    return "" if sample.target is None else dataset.classes[sample.target]


def _refuse_foreign(out: Path) -> None:
    try:
        simulated = out.is_dir() and read_description(out).simulated
    except DataError:
        simulated = False
    if not simulated:
        raise OutputError(f"{out}: is not a simulated data set, so --force does not remove it; choose another --out")
