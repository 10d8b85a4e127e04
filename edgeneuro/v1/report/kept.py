"""Results of steps on disk, so that a run that was killed goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from edgeneuro.data.arrays import encode_npz, read_arrays
from edgeneuro.errors import InputError
from edgeneuro.files import write_bytes, write_json
from edgeneuro.records import from_json, to_json
from edgeneuro.spec import Array
from edgeneuro.v1.report.session import Found
from edgeneuro.v1.report.steps import Step

FOLDER = "steps"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A step as it is kept. made_from: hash of the session and the settings. skipped: why there is no result. arrays: names in the .npz
    beside it."""

    step: str
    made_from: str
    seconds: float
    skipped: str | None
    arrays: tuple[str, ...]
    result: Any


def write_step(folder: Path, outcome: Outcome, arrays: Mapping[str, Array]) -> None:
    """The arrays first: where the .json is, all of the step is. Raises OutputError."""
    if arrays:
        write_bytes(_path(folder, outcome.step, "npz"), encode_npz(arrays))
    write_json(_path(folder, outcome.step, "json"), to_json(outcome))


def read_step(folder: Path, step: Step, made_from: str) -> tuple[Outcome, Found | None] | None:
    """What was kept, its record as a `step.kind`; None where nothing was. Raises InputError: damaged, or of another session or other
    settings."""
    path = _path(folder, step.name, "json")
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is no readable JSON file ({error}); remove it to run the step again") from error
    outcome = from_json(Outcome, stored, path.name)
    if outcome.made_from != made_from:
        raise InputError(
            f"{path}: was made from another session or with other settings ({outcome.made_from[:12]}, expected {made_from[:12]}); "
            "give what it was made from, another --out, or --force to begin again"
        )
    if outcome.skipped is not None:
        return outcome, None
    record = from_json(step.kind, outcome.result, path.name)
    arrays = cast(dict[str, Array], read_arrays(_path(folder, step.name, "npz"))) if outcome.arrays else {}
    return outcome, Found(record=record, arrays=arrays)


def remove_steps(folder: Path) -> None:
    """Of any earlier run."""
    for path in (folder / FOLDER).glob("*.json"):
        path.with_suffix(".npz").unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _path(folder: Path, step: str, kind: str) -> Path:
    return folder / FOLDER / f"{step}.{kind}"
