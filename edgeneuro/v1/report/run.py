"""All steps of a session's report, one after the other, each kept as soon as it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeneuro.errors import DataError
from edgeneuro.files import canonical_json, sha256
from edgeneuro.records import to_json
from edgeneuro.spec import Array
from edgeneuro.v1.report.kept import Outcome, read_step, remove_steps, write_step
from edgeneuro.v1.report.records import SCHEMA, Document
from edgeneuro.v1.report.session import Found, Session
from edgeneuro.v1.report.steps import Step, steps

Progress = Callable[[str, int, int], None]
"""Told the title of a step before its turn, its number from 1, and the number of steps."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """arrays: name of the step -> its arrays. resumed: steps that were there already."""

    document: Document
    arrays: Mapping[str, Mapping[str, Array]]
    resumed: int


def run_steps(
    session: Session, folder: Path, *, resume: bool, progress: Progress = lambda title, number, of: None
) -> Made:
    """Every step, or with `resume` those that are not kept in `folder` yet; without it, what is kept there is removed first.

    A step that the session does not allow is kept as skipped, with the reason. Memory: what the largest step takes; see Session.
    Raises InputError where kept steps are of another session or other settings, OutputError.
    """
    if not resume:
        remove_steps(folder)
    made_from = _identity(session)
    table = steps(session.settings)
    parts: dict[str, Any] = {}
    arrays, skipped, seconds, resumed = {}, {}, {}, 0
    for number, step in enumerate(table, 1):
        progress(step.title, number, len(table))
        kept = read_step(folder, step, made_from)
        resumed += kept is not None
        outcome, found = kept or _run(session, folder, step, made_from)
        seconds[step.name] = outcome.seconds
        if outcome.skipped is not None:
            skipped[step.name] = outcome.skipped
        if found is not None:
            arrays[step.name] = found.arrays
            parts[step.part] = (*parts.get(step.part, ()), found.record) if step.several else found.record
    document = Document(session=session.facts, settings=session.settings, skipped=skipped, seconds=seconds, **parts)
    return Made(document=document, arrays=arrays, resumed=resumed)


def _run(session: Session, folder: Path, step: Step, made_from: str) -> tuple[Outcome, Found | None]:
    began = time.perf_counter()
    found, reason = None, None
    try:
        found = step.run(session)
    except DataError as error:  # what analyses raise where a session lacks something, or is too small
        reason = str(error)
    outcome = Outcome(
        step=step.name,
        made_from=made_from,
        seconds=round(time.perf_counter() - began, 3),
        skipped=reason,
        arrays=() if found is None else tuple(found.arrays),
        result=None if found is None else to_json(found.record),
    )
    write_step(folder, outcome, {} if found is None else found.arrays)
    return outcome, found


def _identity(session: Session) -> str:
    made_from = {"schema": SCHEMA, "session": session.facts.sha256, "settings": to_json(session.settings)}
    return sha256(canonical_json(made_from))
