"""Out-of-fold probabilities on disk: what a method says about frames it was not trained on, one file a fold.

The tables of a study are computed from these files alone, so a study can stop and go on, and anyone can score again.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.scoring import Probabilities
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import DataError
from edgeneuro.files import write_bytes


@dataclass(frozen=True, kw_only=True)
class Fold:
    """ids: of the frames, as `frame_id` makes them. tables: graph -> (frame, class). facts: JSON values worth keeping,
    e.g. seconds and settings."""

    ids: tuple[str, ...]
    tables: Mapping[str, Probabilities]
    facts: Mapping[str, Any]


def frame_id(sample: Sample) -> str:
    """Names one frame of a data set."""
    return f"{sample.source}#{sample.index}"


def tested(folds: Sequence[Fold], dataset: DataSet) -> list[Sample]:
    """The samples that the rows of the folds' tables are of, one fold after the other."""
    by_id = {frame_id(sample): sample for sample in dataset.samples}
    return [by_id[name] for fold in folds for name in fold.ids]


def write_fold(path: Path, fold: Fold) -> None:
    """Atomic. Raises OutputError."""
    arrays: dict[str, NDArray[Any]] = {"ids": np.array(fold.ids), "facts": np.array(json.dumps(dict(fold.facts)))}
    arrays |= {f"probabilities:{name}": table for name, table in fold.tables.items()}
    stream = io.BytesIO()
    np.savez(stream, **cast(Any, arrays))
    write_bytes(path, stream.getvalue())


def read_fold(path: Path) -> Fold:
    """Raises DataError for a file that `write_fold` did not write."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            prefix = "probabilities:"
            return Fold(
                ids=tuple(arrays["ids"].tolist()),
                tables={key.removeprefix(prefix): arrays[key] for key in arrays.files if key.startswith(prefix)},
                facts=json.loads(str(arrays["facts"])),
            )
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(f"{path}: is no fold of a study ({error}); delete it and run the study again") from error


def pool(folds: Sequence[Fold], samples: Sequence[Sample], classes: int, where: str) -> dict[str, Probabilities]:
    """The folds' tables together, rows in the order of `samples`.

    Raises DataError unless every frame is in exactly one fold, and every fold has the same graphs.
    """
    row = {frame_id(sample): i for i, sample in enumerate(samples)}
    ids = [name for fold in folds for name in fold.ids]
    unknown = sorted(set(ids) - set(row))
    missing = sorted(set(row) - set(ids))
    if unknown or missing or len(ids) != len(row):
        problem = unknown[0] if unknown else missing[0] if missing else "a frame"
        how = "is not in the data" if unknown else "is in no fold" if missing else "is in two folds"
        raise DataError(f"{where}: {problem} {how}, expected each frame in one fold; delete the folder and run again")
    graphs = list(folds[0].tables)
    pooled: dict[str, Probabilities] = {name: np.zeros((len(samples), classes)) for name in graphs}
    for fold in folds:
        if list(fold.tables) != graphs:
            raise DataError(f"{where}: folds hold {graphs} and {list(fold.tables)}, expected the same graphs in each")
        rows = [row[name] for name in fold.ids]
        for name, table in fold.tables.items():
            pooled[name][rows] = table
    return pooled
