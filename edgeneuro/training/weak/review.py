"""The least certain blocks of a pool, for a person to correct: as images beside their masks, and read back.

A review is a folder with NAME.png and NAME-mask.png of images, NAME.tif and NAME-mask.tif of volumes. What a person has corrected is
saved as corrected/NAME-mask.png or .tif in it. In a mask 0 is background, 255 neurite, 128 what nobody needs to know. How long it
took may be written to corrected/minutes.txt, a number alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.decode import read_frame
from edgeneuro.data.volumes import read_volume
from edgeneuro.errors import DataError
from edgeneuro.files import atomic_folder
from edgeneuro.spec import Array
from edgeneuro.training.weak.pseudo import Labelled, Pool
from edgeneuro.volume import BACKGROUND, FOREGROUND, IGNORE

CORRECTED, MINUTES = "corrected", "minutes.txt"
GREY = {BACKGROUND: 0, FOREGROUND: 255, IGNORE: 128}
"""Label -> grey value in a mask."""


def least_certain(labelled: Labelled, count: int, known: Iterable[str]) -> list[str]:
    """Names of `count` blocks, the one of the least confidence first, without those that are `known` already."""
    names = sorted(set(labelled.confidence) - set(known), key=lambda name: (labelled.confidence[name], name))
    return names[:count]


def write_review(folder: Path, pool: Pool, labelled: Labelled, names: Iterable[str]) -> None:
    """Images and masks of `names`, all or nothing. Raises OutputError."""
    with atomic_folder(folder) as new:
        (new / CORRECTED).mkdir()
        for name in names:
            label = labelled.labels[name]
            _write(new / name, (pool[name] // 257).astype(np.uint8))
            _write(
                new / f"{name}-mask", np.select([label == one for one in GREY], list(GREY.values())).astype(np.uint8)
            )


def read_corrected(folder: Path, pool: Pool) -> dict[str, NDArray[np.uint8]]:
    """Labels by name, of the masks that were corrected in a review, sorted. Raises DataError for a mask of no block, of another shape
    or with other values."""
    read = {}
    for path in sorted((folder / CORRECTED).glob("*-mask.*")):
        name = path.stem.removesuffix("-mask")
        if name not in pool:
            raise DataError(f"{path}: is of no block of the pool, expected the name of a mask in {folder}; rename it")
        grey = read_frame(path) if pool[name].ndim == 2 else read_volume(path).voxels
        if grey.shape != pool[name].shape or not np.isin(grey, list(GREY.values())).all():
            raise DataError(
                f"{path}: has shape {grey.shape} and values up to {grey.max()}, expected {pool[name].shape} and only "
                f"{', '.join(map(str, GREY.values()))}; save it without resizing or smoothing"
            )
        read[name] = np.select([grey == one for one in GREY.values()], list(GREY)).astype(np.uint8)
    return read


def read_minutes(folder: Path) -> float:
    """What a person wrote down for a review, 0 where nothing. Raises DataError for what is no number from 0 on."""
    path = folder / CORRECTED / MINUTES
    if not path.exists():
        return 0.0
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0.0 <= minutes < math.inf:
        raise DataError(
            f"{path}: holds {text[:20]!r}, expected the minutes that the masks took, e.g. 12.5, and nothing else"
        )
    return minutes


def _write(place: Path, values: Array) -> None:
    """An image, or a volume as a stack."""
    if values.ndim == 2:
        place.with_name(f"{place.name}.png").write_bytes(cv2.imencode(".png", values)[1].tobytes())
    else:
        import tifffile

        tifffile.imwrite(place.with_name(f"{place.name}.tif"), values, metadata={"axes": "ZYX"})
