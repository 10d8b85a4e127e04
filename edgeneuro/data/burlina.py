"""The myositis ultrasound release of Burlina et al. 2017 (doi 10.1371/journal.pone.0184059), in its two public layouts.

    original   PatientData.mat (cell array "im", one image a cell) beside PatientImages_PLOS2017.xlsx, rows in the
               same order
    cropped    1.PNG ... 3214.PNG in the folder or in images/, OrginalAndCroppedFileNames.xlsx (sic), and the fold
               lists S{1..4}_FileList_Fold_{1..5}.csv in the folder or in FileList/ (Ucar 2022)

The group is the subject, so `--protocol grouped` divides subjects. The public folds divide images: the frames of all
80 subjects stand in test and training alike, and they are used under `--protocol leaky` alone. SciPy, h5py and
openpyxl are imported here, inside functions, and nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from edgeneuro.data.decode import read_frame
from edgeneuro.data.make_split import PUBLIC_FOLD
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.tables import EMPTY_LABEL, read_table
from edgeneuro.errors import DataError, FrameError
from edgeneuro.spec import Frame

MAT, MAT_INDEX = "PatientData.mat", "PatientImages_PLOS2017.xlsx"
CROPPED_INDEX = "OrginalAndCroppedFileNames.xlsx"
MUSCLE = "muscle"

DIAGNOSES = {"I": "ibm", "P": "pm", "D": "dm", "N": "normal"}
SCENARIOS: Mapping[str, tuple[tuple[str, ...], Mapping[str, int]]] = {
    "S1": (("myositis", "normal"), {"I": 0, "P": 0, "D": 0, "N": 1}),
    "S2": (("ibm", "normal"), {"I": 0, "N": 1}),
    "S3": (("ibm", "pm_or_dm"), {"I": 0, "P": 1, "D": 1}),
    "S4": (("ibm", "pm", "dm", "normal"), {"I": 0, "P": 1, "D": 2, "N": 3}),
}
"""Scenario -> classes in the order of the public lists, class number of each diagnosis that takes part."""


def is_burlina(folder: Path) -> bool:
    """Whether `folder` holds one of the two layouts."""
    return (folder / MAT).is_file() or (folder / CROPPED_INDEX).is_file()


def open_burlina(folder: Path, *, scenario: str = "S4") -> DataSet:
    """The release as a data set of one scenario, group = subject, tags = the index's other columns and the public folds.

    Raises DataError for a missing index, column or image, and for fold lists that contradict the index.
    """
    if scenario not in SCENARIOS:
        raise DataError(f"{folder}: label column {scenario!r} is unknown here, expected one of {', '.join(SCENARIOS)}")
    original = (folder / MAT).is_file()
    rows = read_index(folder / (MAT_INDEX if original else CROPPED_INDEX))
    classes, number = SCENARIOS[scenario]
    sources = _cells(folder, len(rows)) if original else _pngs(folder, rows)
    kept, dropped = [], Counter[str]()
    for row, (source, index) in zip(rows, sources, strict=True):
        diagnosis = row["diagnosis"]
        if diagnosis in number:
            kept.append(Sample(source=source, index=index, target=number[diagnosis], group=row["subject"], tags=row))
        else:
            dropped[f"diagnosis not in scenario {scenario}" if diagnosis else EMPTY_LABEL] += 1
    return DataSet(
        name="burlina_myositis",
        classes=classes,
        samples=tuple(kept) if original else _with_public_folds(folder, scenario, kept),
        reader=partial(_read_cell if original else _read_file, folder),
        subgroups={MUSCLE: ()} if kept and MUSCLE in kept[0].tags else {},
        dropped=dict(dropped),
    )


def read_index(path: Path) -> list[dict[str, str]]:
    """Rows of the spreadsheet in order, cells as text, with "subject", "diagnosis" and, where there, "muscle" and
    "cropped" added under these names. The subject stands only on its first row and is carried down.

    Raises DataError for a missing file or column and for an unknown diagnosis.
    """
    openpyxl = _load("openpyxl")
    try:
        sheet = openpyxl.load_workbook(path, read_only=True, data_only=True).active
        header, *body = [[_text(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such spreadsheet; it belongs to the release, copy it beside the images") from error
    except Exception as error:  # a damaged file raises whatever zipfile, the XML parser or openpyxl happen to raise
        raise DataError(f"{path}: is not a readable spreadsheet ({error}); download it again") from error
    named = {
        "subject": _column(header, path, "patient", "subject"),
        "diagnosis": _column(header, path, "diagnosis"),
        MUSCLE: _column(header, None, MUSCLE, without="strength"),
        "cropped": _column(header, None, "cropped"),
    }
    rows, subject = [], ""
    for line, cells in enumerate(body, start=2):
        if not any(cells):
            continue
        row = dict(zip(header, cells, strict=True)) | {name: cells[at] for name, at in named.items() if at is not None}
        subject = row["subject"] = row["subject"] or subject
        if not subject:
            raise DataError(f"{path}: row {line} comes before the first subject, expected one on the first row")
        if row["diagnosis"] and row["diagnosis"] not in DIAGNOSES:
            raise DataError(
                f"{path}: row {line} has diagnosis {row['diagnosis']!r}, expected one of {', '.join(DIAGNOSES)}"
            )
        rows.append(row)
    return rows


def _column(header: list[str], path: Path | None, *words: str, without: str = "\0") -> int | None:
    """Number of the first column whose name holds one of `words`; where none does, None or, given a path, DataError."""
    for at, name in enumerate(header):
        if any(word in name.lower() for word in words) and without not in name.lower():
            return at
    if path is None:
        return None
    raise DataError(f"{path}: has columns {', '.join(header)}, expected one named like {' or '.join(words)}")


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip()


def _pngs(folder: Path, rows: list[dict[str, str]]) -> list[tuple[str, int]]:
    """Path of each row's image. Raises DataError when the index names none, or one that is missing."""
    prefix = "images/" if (folder / "images").is_dir() else ""
    sources = []
    for row in rows:
        name = row.get("cropped", "")
        if "/" in name or "\\" in name or not (folder / prefix / name).is_file():
            raise DataError(f"{folder}: the index names {name!r}, but {prefix or './'} has no such image; restore it")
        sources.append((prefix + name, 0))
    return sources


def _with_public_folds(folder: Path, scenario: str, samples: list[Sample]) -> tuple[Sample, ...]:
    """The samples with tags public_fold_1 ... 5 = Train, Validation or Test, as far as the lists are there."""
    lists = folder / "FileList" if (folder / "FileList").is_dir() else folder
    for fold in range(1, 6):
        path = lists / f"{scenario}_FileList_Fold_{fold}.csv"
        if not path.is_file():
            continue
        columns, rows = read_table(path)
        missing = {"FileNames", "Class", "Type"} - set(columns)
        if missing:
            raise DataError(f"{path}: has columns {', '.join(columns)}, needs {', '.join(sorted(missing))} as well")
        listed = {row["FileNames"]: (row["Class"], row["Type"]) for _, row in rows}
        for at, sample in enumerate(samples):
            target, part = listed.get(sample.tags["cropped"], ("", ""))
            if target != str(sample.target) or part not in ("Train", "Validation", "Test"):
                raise DataError(
                    f"{path}: says class {target!r}, part {part!r} of {sample.tags['cropped']}, expected class "
                    f"{sample.target} and Train, Validation or Test; the list and the index belong to different data"
                )
            samples[at] = replace(sample, tags={**sample.tags, PUBLIC_FOLD.format(fold): part})
    return tuple(samples)


def _read_file(folder: Path, sample: Sample) -> Frame:
    return read_frame(folder / sample.source)


def _read_cell(folder: Path, sample: Sample) -> Frame:
    path = folder / sample.source
    if _is_hdf5(path):
        with _load("h5py").File(path) as file:  # MATLAB is column-major: HDF5 sees every array transposed
            frame: Frame = np.ascontiguousarray(file[file["im"][()].reshape(-1)[sample.index]][()].T)
    else:
        frame = _old_cells(path)[sample.index]
    if frame.ndim not in (2, 3):
        raise FrameError(f"{path}: cell {sample.index + 1} of im has shape {frame.shape}, expected (height, width)")
    return frame


def _cells(folder: Path, rows: int) -> list[tuple[str, int]]:
    """One (file, row) a cell of "im". Raises DataError unless there are as many cells as rows in the index."""
    path = folder / MAT
    if _is_hdf5(path):
        try:
            with _load("h5py").File(path) as file:
                count = int(file["im"].size)
        except (OSError, KeyError) as error:
            raise DataError(f"{path}: has no readable cell array 'im' ({error}); download it again") from error
    else:
        count = len(_old_cells(path))
    if count != rows:
        raise DataError(f"{path}: holds {count} images, but {MAT_INDEX} has {rows} rows; they belong to different data")
    return [(MAT, index) for index in range(count)]


def _is_hdf5(path: Path) -> bool:
    """MATLAB 7.3 files are HDF5 behind a 512-byte text header; older ones have a format of their own."""
    with path.open("rb") as file:
        return file.read(520)[512:] == b"\x89HDF\r\n\x1a\n"


@lru_cache(maxsize=1)
def _old_cells(path: Path) -> list[Frame]:
    """All images of a MATLAB 5 to 7 file, kept in memory because the format cannot be read in parts."""
    io = _load("scipy.io")
    try:
        cells = io.loadmat(path, variable_names=["im"])["im"]
    except KeyError as error:
        raise DataError(f"{path}: has no variable 'im', expected the cell array of images") from error
    except Exception as error:  # SciPy raises ValueError, TypeError, zlib.error, MatReadError and more when damaged
        raise DataError(f"{path}: is not a readable MATLAB file ({error}); download it again") from error
    return list(cells.reshape(-1))


def _load(module: str) -> Any:
    """Import a reader that the base install does without. Raises DataError with the command that installs it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(f"this data set needs {module.split('.')[0]}; run: pip install 'edgeneuro[train]'") from error
