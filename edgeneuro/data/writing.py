"""A data set written as a folder that `open_data` reads back: PNG or SWC files, labels.csv, dataset.json."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import cv2

from edgeneuro.data.registered import DESCRIPTION, Description, read_description
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.swc_text import encode_swc
from edgeneuro.errors import DataError, OutputError
from edgeneuro.files import atomic_folder, canonical_json, refuse_existing
from edgeneuro.records import to_json
from edgeneuro.spec import Frame


def write_folder(
    dataset: DataSet, out: Path, *, force: bool = False, on_frame: Callable[[], None] = lambda: None
) -> None:
    """Write every frame, or neuron, of a labelled data set and what describes it; the folder appears whole or not at all.

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
        (folder / _subfolder(dataset)).mkdir()
        for sample in dataset.samples:
            data = encode_swc(dataset.neuron(sample)) if dataset.has_neurons else _png(dataset.read(sample))
            (folder / _file(dataset, sample)).write_bytes(data)
            on_frame()
        _write_table(folder / description.table, dataset)
        (folder / DESCRIPTION).write_bytes(canonical_json(to_json(description)))


def _subfolder(dataset: DataSet) -> str:
    return "neurons" if dataset.has_neurons else "images"


def _file(dataset: DataSet, sample: Sample) -> str:
    name = f"{_subfolder(dataset)}/{sample.source.replace('/', '_')}"
    return f"{name}.swc" if dataset.has_neurons else f"{name}_{sample.index:02d}.png"


def _png(frame: Frame) -> bytes:
    pixels = frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".png", pixels)[1])


def _write_table(path: Path, dataset: DataSet) -> None:
    tags = sorted({name for sample in dataset.samples for name in sample.tags})
    folds = all(sample.fold is not None for sample in dataset.samples)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["file", "label", "group_id", *tags, *(["fold"] if folds else [])])
        for sample in dataset.samples:
            label = "" if sample.target is None else dataset.classes[sample.target]
            cells = [sample.tags.get(name, "") for name in tags]
            table.writerow([_file(dataset, sample), label, sample.group, *cells, *([sample.fold] if folds else [])])


def _refuse_foreign(out: Path) -> None:
    try:
        simulated = out.is_dir() and read_description(out).simulated
    except DataError:
        simulated = False
    if not simulated:
        raise OutputError(f"{out}: is not a simulated data set, so --force does not remove it; choose another --out")
