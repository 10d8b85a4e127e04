"""A CSV table of frames to samples, every row checked before the first frame is read."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from edgeneuro.data.masks import TWO_CLASSES
from edgeneuro.data.registered import Description
from edgeneuro.data.sample import Sample
from edgeneuro.errors import DataError

CONFLICT_COLUMN = "label_conflict"
MASK_COLUMN = "mask"
ZARR = ".zarr"
"""Ending of a folder that is one volume."""
EMPTY_LABEL, EMPTY_MASK, LABEL_CONFLICT = "empty label", "no mask", "conflicting labels"


def read_table(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Column names and (line, row) of a CSV file in UTF-8. Raises DataError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns = [column.strip() for column in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise DataError(
                        f"{path}: line {reader.line_num} has not the {len(columns)} cells of the header; "
                        "quote cells that hold a comma"
                    )
                rows.append((reader.line_num, {column: cell.strip() for column, cell in row.items()}))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such table; check the name in dataset.json") from error
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not a readable table ({error}); save it as comma-separated UTF-8") from error
    if not columns:
        raise DataError(f"{path}: is empty, expected a line of column names and a line a frame")
    twice = [column for column, times in Counter(columns).items() if times > 1]
    if twice:
        raise DataError(f"{path}: has column {twice[0]!r} twice, expected each name once; rename one")
    return columns, rows


def table_samples(
    folder: Path, description: Description
) -> tuple[tuple[str, ...], tuple[Sample, ...], Mapping[str, int]]:
    """Classes, samples in the table's order, and the number of rows dropped for each reason.

    Raises DataError for a column, group or file that is missing, a path outside `folder`, a file listed twice,
    a label that is not among the described classes, a fold that is not a whole number.
    """
    path = folder / _inside(description.table, str(folder))
    columns, rows = read_table(path)
    if description.mask_column is None and description.label_column not in columns and MASK_COLUMN in columns:
        description = replace(description, mask_column=MASK_COLUMN)
    fold_column = _check_columns(path, columns, description)
    kept, dropped = _drop(rows, description)
    for column in (description.file_column, description.mask_column):
        if column is not None:
            _check_files(folder, path, [(line, row[column]) for line, row in kept])
    labelled = description.mask_column is None
    classes = description.classes or (_labels(kept, description.label_column) if labelled else TWO_CLASSES)
    number = {label: target for target, label in enumerate(classes)} if labelled else {}
    samples = tuple(_sample(path, line, row, description, number, fold_column) for line, row in kept)
    return classes, samples, dropped


def _labels(rows: list[tuple[int, dict[str, str]]], column: str) -> tuple[str, ...]:
    return tuple(sorted({row[column] for _, row in rows}))


def _sample(
    path: Path, line: int, row: dict[str, str], description: Description, number: Mapping[str, int], fold: str | None
) -> Sample:
    """One row. number: class name -> class number; empty where masks say what the pixels are. fold: its column."""
    group, masked = row[description.group_column], description.mask_column is not None
    label = None if masked else row[description.label_column]
    if label is not None and label not in number:
        raise DataError(f"{path}: line {line} has label {label!r}, expected one of {', '.join(number)}")
    if not group:
        raise DataError(
            f"{path}: line {line} has an empty {description.group_column}, which says what must stay together; "
            "give each patient, video or lesion a name"
        )
    used = {description.file_column, description.mask_column or description.label_column, fold}
    return Sample(
        source=row[description.file_column],
        index=0,
        target=None if label is None else number[label],
        group=group,
        fold=_fold(row[fold], path, line) if fold else None,
        tags={column: cell for column, cell in row.items() if column not in used},
        mask=row[description.mask_column] if description.mask_column is not None else None,
    )


def _check_columns(path: Path, columns: list[str], description: Description) -> str | None:
    """The fold column in use, if any. Raises DataError naming what the table has and needs."""
    needed = [description.file_column, description.mask_column or description.label_column, description.group_column]
    if description.fold_column is not None:
        needed.append(description.fold_column)
    missing = [column for column in needed if column not in columns]
    if missing:
        raise DataError(
            f"{path}: has columns {', '.join(columns)}, but needs {', '.join(needed)} (missing: {', '.join(missing)}); "
            "add them, or name others with --label-column and --group-column or in dataset.json"
        )
    return description.fold_column or ("fold" if "fold" in columns else None)


def _drop(
    rows: list[tuple[int, dict[str, str]]], description: Description
) -> tuple[list[tuple[int, dict[str, str]]], Mapping[str, int]]:
    kept, dropped = [], Counter[str]()
    for line, row in rows:
        if not row[description.mask_column or description.label_column]:
            dropped[EMPTY_LABEL if description.mask_column is None else EMPTY_MASK] += 1
        elif row.get(CONFLICT_COLUMN) == "1":
            dropped[LABEL_CONFLICT] += 1
        else:
            kept.append((line, row))
    return kept, dict(dropped)


def _check_files(folder: Path, path: Path, files: list[tuple[int, str]]) -> None:
    first_line: dict[str, int] = {}
    missing = []
    for line, file in files:
        inside = _inside(file, f"{path}: line {line}").as_posix()
        if inside in first_line:
            raise DataError(
                f"{path}: lists {file} twice, on lines {first_line[inside]} and {line}; keep one, or training "
                "and test may share it"
            )
        first_line[inside] = line
        if not is_one(folder / inside):
            missing.append((line, file))
    if missing:
        line, file = missing[0]
        raise DataError(
            f"{path}: {len(missing)} of {len(files)} files are missing, first {file!r} on line {line}; "
            "restore them or remove their lines"
        )


def _inside(file: str, where: str) -> PurePosixPath:
    path = PurePosixPath(file)
    if not file or path.is_absolute() or PureWindowsPath(file).drive or ".." in path.parts:
        raise DataError(f"{where}: names the file {file!r}, expected a path inside the folder, without '..'")
    return path


def _fold(cell: str, path: Path, line: int) -> int | None:
    if not cell:
        return None
    try:
        return int(cell)
    except ValueError as error:
        raise DataError(f"{path}: line {line} has fold {cell!r}, expected a whole number") from error


def is_one(path: Path) -> bool:
    """Whether `path` is there and is what one row names: a file, or a Zarr folder."""
    return path.is_file() or (path.suffix.lower() == ZARR and path.is_dir())


def walk(folder: Path) -> Iterator[Path]:
    """Files below `folder`, and Zarr folders without what is in them, in order of name, hidden ones left out."""
    found = []
    for above, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        whole = [name for name in folders if is_one(Path(above, name))]
        folders[:] = [name for name in folders if name not in whole]
        found += [Path(above, name) for name in (*whole, *files) if not name.startswith(".")]
    yield from (path for path in sorted(found) if is_one(path))
