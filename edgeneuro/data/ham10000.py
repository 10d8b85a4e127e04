"""HAM10000 as its authors released it (Tschandl et al. 2018, doi 10.1038/sdata.2018.161, Harvard Dataverse DBW86T):

    HAM10000_metadata.csv        one row an image; also without an ending, as some mirrors have it
    HAM10000_images_part_1/      ISIC_0024306.jpg ..., anywhere below the folder
    HAM10000_images_part_2/

It has no folds: they are drawn by lesion. The copy that has them is the registered set skin_ham10000.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from edgeneuro.data.decode import read_frame
from edgeneuro.data.registered import REGISTERED
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.tables import EMPTY_LABEL, read_table, walk
from edgeneuro.errors import DataError
from edgeneuro.spec import Frame

METADATA = ("HAM10000_metadata.csv", "HAM10000_metadata")
COLUMNS = ("lesion_id", "image_id", "dx")
_KNOWN = REGISTERED["skin_ham10000"]


def is_ham10000(folder: Path) -> bool:
    """Whether `folder` holds the release."""
    return _metadata(folder) is not None


def open_ham10000(folder: Path) -> DataSet:
    """Every image of the metadata, group = lesion, tags = its other columns. Raises DataError for a column or an image that is
    missing, and for a diagnosis that is none of the seven."""
    path = _metadata(folder)
    assert path is not None
    columns, rows = read_table(path)
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise DataError(f"{path}: has no column {missing[0]}, expected {', '.join(COLUMNS)}; download it again")
    images = {file.stem: file.relative_to(folder).as_posix() for file in reversed(_images(folder))}
    kept, dropped = [], Counter[str]()
    for line, row in rows:
        if row["dx"]:
            kept.append(_sample(path, line, row, images))
        else:
            dropped[EMPTY_LABEL] += 1
    return DataSet(
        name=_KNOWN.name,
        classes=_KNOWN.classes,
        samples=tuple(kept),
        reader=partial(_read, folder),
        subgroups={column: bands for column, bands in _KNOWN.subgroups.items() if column in columns},
        dropped=dict(dropped),
        licence=_KNOWN.licence,
    )


def _metadata(folder: Path) -> Path | None:
    return next((folder / name for name in METADATA if (folder / name).is_file()), None)


def _images(folder: Path) -> list[Path]:
    return [file for file in walk(folder) if file.suffix.lower() == ".jpg"]


def _sample(path: Path, line: int, row: dict[str, str], images: dict[str, str]) -> Sample:
    if row["dx"] not in _KNOWN.classes:
        raise DataError(f"{path}: line {line} has dx {row['dx']!r}, expected one of {', '.join(_KNOWN.classes)}")
    if row["image_id"] not in images:
        raise DataError(
            f"{path}: line {line} names {row['image_id']}, but there is no {row['image_id']}.jpg below {path.parent}; unpack "
            "both parts of the images there"
        )
    if not row["lesion_id"]:
        raise DataError(
            f"{path}: line {line} has an empty lesion_id, which says what must stay together; download it again"
        )
    tags = {column: cell for column, cell in row.items() if column not in ("dx", "lesion_id")}
    return Sample(
        source=images[row["image_id"]],
        index=0,
        target=_KNOWN.classes.index(row["dx"]),
        group=row["lesion_id"],
        tags=tags,
    )


def _read(folder: Path, sample: Sample) -> Frame:
    return read_frame(folder / sample.source)
