"""One trial of the search: a candidate is cut, timed, trained and judged; nothing of the test part is read.

Latency does not depend on the weights, so what is too slow is found out before it is trained. Everything is done in one
folder, and a trial that was killed goes on there where it was.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from edgeneuro.errors import DataError, EdgeNeuroError, FrameError, OutputError
from edgeneuro.export.compress.judge import judge
from edgeneuro.export.compress.latency import Latency, bundle_latency
from edgeneuro.export.compress.records import BaseFacts, Candidate, Goal, Outcome, SearchSettings
from edgeneuro.export.compress.steps import (
    Parts,
    build_bundle,
    cut_checkpoint,
    open_parts,
    size_of,
    teaching_of,
    train_on,
    unfinished,
)
from edgeneuro.export.gate import parse_margin
from edgeneuro.files import write_json
from edgeneuro.records import from_json, to_json
from edgeneuro.training.keeper import EpochRow, Progress

CANDIDATE, CUT_FACTS, OUTCOME = "candidate.json", "cut.json", "outcome.json"
CUT, TRAINED = "cut", "trained"
CUT_BUNDLE, BUNDLE = "cut.edge", "engine.edge"
BASE_BUNDLE = "base.edge"
"""In the folder of the study, shared by its trials."""

Report = Callable[[int, float], bool]
"""Epoch and validation score -> whether the trial is hopeless."""


@dataclass(frozen=True, kw_only=True)
class CutFacts:
    """What is known before training. latency: through the bundle of the cut network, None where the goal is not a time.
    seconds: that finding it out took."""

    macs: int
    params: int
    latency: Latency | None
    seconds: float


class Hopeless(Exception):
    """Ends the training of a trial that the search gives up."""


def run_trial(
    settings: SearchSettings, base: BaseFacts, number: int, candidate: Candidate, folder: Path, report: Report
) -> Outcome:
    """Run trial `number` in `folder`, STUDY/trials/NUMBER, or what is left of it to do there.

    report: told the score on the validation part after every epoch; where it returns True the trial is stopped early.
    What cannot be made of the base, or fails for a reason of its own, is an outcome, too. Raises DataError, FrameError,
    OutputError, which would stop any trial, and OutputError where `folder` holds a trial of another candidate.
    """
    _take_folder(folder, candidate)
    written = folder / OUTCOME
    if written.exists():
        return from_json(Outcome, json.loads(written.read_bytes()), str(written))
    bare = Outcome(number=number, candidate=candidate, state="failed")
    try:
        outcome = _run(settings, base, bare, folder, report)
    except (DataError, FrameError, OutputError):
        raise
    except EdgeNeuroError as error:
        outcome = replace(bare, reason=str(error))
    write_json(written, to_json(outcome))
    return outcome


def base_bundle(settings: SearchSettings, base: BaseFacts, parts: Parts, study: Path) -> Path:
    """The INT8 bundle of the base, uncompressed, in the folder of the study; made where it is not there yet."""
    path = study / BASE_BUNDLE
    build_bundle(Path(settings.base), path, Candidate(image_size=base.image_size, share=1.0), settings, parts.training)
    return path


def _run(settings: SearchSettings, base: BaseFacts, bare: Outcome, folder: Path, report: Report) -> Outcome:
    parts = open_parts(settings)
    beside = base_bundle(settings, base, parts, folder.parent.parent)
    cut = _cut(settings, base, bare.candidate, parts, folder, beside)
    known = replace(bare, macs=cut.macs, params=cut.params, seconds=cut.seconds)
    too_slow = _above_macs(settings.goal, base, cut.macs) or _above_time(settings.goal, cut.latency)
    if too_slow:
        return replace(_with_latency(known, cut.latency), state="too slow", reason=too_slow)
    follower = _Follower(base.metric, settings.epochs, report)
    try:
        metrics = train_on(
            folder / CUT,
            folder / TRAINED,
            settings,
            epochs=settings.epochs,
            teaching=teaching_of(settings, parts.test),
            progress=follower,
        )
    except Hopeless:
        shutil.rmtree(unfinished(folder / TRAINED))
        return replace(
            _with_latency(known, cut.latency),
            state="stopped early",
            epochs=max(follower.rows) + 1,
            seconds=cut.seconds + sum(row.seconds for row in follower.rows.values()),
            reason=f"given up after epoch {max(follower.rows)}",
        )
    trained = replace(known, epochs=len(metrics["history"]), seconds=cut.seconds + metrics["wall_s"])
    return _judged(settings, base, trained, parts, folder, beside)


def _cut(
    settings: SearchSettings, base: BaseFacts, candidate: Candidate, parts: Parts, folder: Path, beside: Path
) -> CutFacts:
    """The cut network as a checkpoint, its size, and where the goal is a time, its latency."""
    written = folder / CUT_FACTS
    if written.exists():
        return from_json(CutFacts, json.loads(written.read_bytes()), str(written))
    started = perf_counter()
    cut_checkpoint(settings, base, candidate, parts.training, folder / CUT)
    latency = None
    size = size_of(folder / CUT)
    if settings.goal.latency_ms is not None:
        build_bundle(folder / CUT, folder / CUT_BUNDLE, candidate, settings, parts.training)
        latency = bundle_latency(folder / CUT_BUNDLE, threads=settings.threads, beside=beside)
    facts = CutFacts(macs=size.macs, params=size.params, latency=latency, seconds=perf_counter() - started)
    write_json(written, to_json(facts))
    return facts


def _judged(
    settings: SearchSettings, base: BaseFacts, trained: Outcome, parts: Parts, folder: Path, beside: Path
) -> Outcome:
    """The trained network through the bundle it would ship: its latency, and its accuracy on the validation part."""
    started = perf_counter()
    build_bundle(folder / TRAINED, folder / BUNDLE, trained.candidate, settings, parts.training)
    latency = bundle_latency(folder / BUNDLE, threads=settings.threads, beside=beside)
    judged = judge(
        folder / BUNDLE,
        beside,
        parts.validation,
        margin=parse_margin(settings.goal.max_drop),
        metric=base.metric,
        backend=latency.backend,
        precision=latency.precision,
        threads=settings.threads,
    )
    timed = _with_latency(trained, latency)
    too_slow = _above_time(settings.goal, latency)
    return replace(
        timed,
        state="too slow" if too_slow else "complete",
        reason=too_slow,
        score=judged.score,
        drop_points=judged.drop_points,
        seconds=trained.seconds + perf_counter() - started,
        facts={**timed.facts, "base_score": judged.base.value, "verdict": judged.gate.verdict, "gate": judged.reason},
    )


@dataclass
class _Follower:
    """Takes the progress of training and reports each epoch once. rows: epoch -> its row, as far as they were seen."""

    metric: str
    epochs: int
    report: Report
    rows: dict[int, EpochRow] = field(default_factory=dict)

    def __call__(self, progress: Progress) -> None:
        row = progress.row
        if row is None or row.epoch in self.rows:
            return
        self.rows[row.epoch] = row
        score = row.balanced_accuracy if self.metric == "balanced_accuracy" else row.macro_f1
        if self.report(row.epoch, score) and row.epoch + 1 < self.epochs:
            raise Hopeless


def _above_macs(goal: Goal, base: BaseFacts, macs: int) -> str:
    """Why it is too slow, "" where it is not."""
    if goal.macs is None or macs <= goal.macs * base.macs:
        return ""
    return f"{macs:,} multiply-accumulates, {macs / base.macs:.3f} of the base, above the goal of {goal.macs:g}"


def _above_time(goal: Goal, latency: Latency | None) -> str:
    if goal.latency_ms is None or latency is None or latency.ms[0] <= goal.latency_ms:
        return ""
    return f"{latency.ms[0]:.3g} ms on {latency.backend}, above the goal of {goal.latency_ms:g} ms"


def _with_latency(outcome: Outcome, latency: Latency | None) -> Outcome:
    if latency is None:
        return outcome
    facts: dict[str, Any] = {"latency_ratio": latency.ratio, "runs_in": latency.precision}
    return replace(outcome, latency_ms=latency.ms, backend=latency.backend, facts={**outcome.facts, **facts})


def _take_folder(folder: Path, candidate: Candidate) -> None:
    written = folder / CANDIDATE
    if not written.exists():
        write_json(written, to_json(candidate))
    elif from_json(Candidate, json.loads(written.read_bytes()), str(written)) != candidate:
        raise OutputError(f"{folder}: holds a trial of another candidate; give another folder")
