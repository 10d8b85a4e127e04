"""Trials that train nothing, for tests of the search: importable, because workers get them by name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna

from edgeneuro.errors import DataError
from edgeneuro.export.compress.cluster import Running, RunTrial, Workers, work
from edgeneuro.export.compress.progress import read_progress
from edgeneuro.export.compress.records import BaseFacts, Candidate, Goal, Outcome, SearchSettings
from edgeneuro.manifest import Interval

Report = Callable[[int, float], bool]


class Threads:
    """Workers in this process, one trial at a time, on real code of the worker's side."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.pool = pool

    def count(self) -> int:
        """One."""
        return 1

    def submit(self, run: RunTrial, *arguments: Any) -> Running:
        """As DaskWorkers does."""
        return self.pool.submit(work, run, *arguments)


@contextmanager
def here() -> Iterator[Workers]:
    """Instead of a cluster."""
    with ThreadPoolExecutor(1) as pool:
        yield Threads(pool)


BASE = BaseFacts(
    weights="a" * 64,
    macs=1_000_000,
    params=10_000,
    image_size=64,
    sizes=(32, 48, 64),
    sizes_macs=(250_000, 562_500, 1_000_000),
    classes=("a", "b"),
    metric="balanced_accuracy",
)


def facts(settings: SearchSettings) -> BaseFacts:
    """Of a network that does not exist."""
    return BASE


def suggest(trial: optuna.Trial, base: BaseFacts, goal: Goal) -> Candidate:
    """Two parameters; half of the shares are above a goal of 0.5."""
    return Candidate(
        image_size=trial.suggest_categorical("image_size", list(base.sizes)),
        share=trial.suggest_float("share", 0.1, 0.9),
    )


def quality(candidate: Candidate) -> float:
    """0..1, better for more operations and for larger images."""
    return 0.5 * candidate.share + 0.4 * candidate.image_size / 64


def complete(number: int, candidate: Candidate, epochs: int, score: float) -> Outcome:
    """Of a trial that came to its end."""
    return Outcome(
        number=number,
        candidate=candidate,
        state="complete",
        macs=round(candidate.share * BASE.macs),
        params=100,
        latency_ms=(candidate.share, 0.9 * candidate.share, 1.1 * candidate.share),
        backend="onnxruntime",
        score=Interval(value=score, low=score - 0.1, high=score + 0.1),
        drop_points=Interval(value=1.0, low=-1.0, high=3.0),
        epochs=epochs,
        seconds=1.0,
    )


def instant(
    settings: SearchSettings, base: BaseFacts, number: int, candidate: Candidate, folder: Path, report: Report
) -> Outcome:
    """Scores as `quality` says, without delay. Above the goal it ends before its first epoch."""
    macs = round(candidate.share * base.macs)
    if settings.goal.macs is not None and candidate.share > settings.goal.macs:
        return Outcome(number=number, candidate=candidate, state="too slow", macs=macs, reason="above the goal")
    for epoch in range(settings.epochs):
        report(epoch, quality(candidate) * (epoch + 1) / settings.epochs)
    return complete(number, candidate, settings.epochs, quality(candidate))


def unlucky(
    settings: SearchSettings, base: BaseFacts, number: int, candidate: Candidate, folder: Path, report: Report
) -> Outcome:
    """Nothing can be made of any candidate."""
    return Outcome(number=number, candidate=candidate, state="failed", reason="the least that can be kept is 0.9")


def without_data(
    settings: SearchSettings, base: BaseFacts, number: int, candidate: Candidate, folder: Path, report: Report
) -> Outcome:
    """Finds no data."""
    raise DataError("lung: is not here; give --data")


def faulty(
    settings: SearchSettings, base: BaseFacts, number: int, candidate: Candidate, folder: Path, report: Report
) -> Outcome:
    """The second trial has a fault of ours."""
    if number == 1:
        raise TypeError("no number")
    return instant(settings, base, number, candidate, folder, report)


def slow(
    settings: SearchSettings, base: BaseFacts, number: int, candidate: Candidate, folder: Path, report: Report
) -> Outcome:
    """Goes on after the last epoch that it reported, and writes down in which process each epoch was. The seventh epoch
    waits for a file `go` in the study's folder."""
    for epoch in range(len(read_progress(folder)), settings.epochs):
        with (folder / "pids").open("a") as file:
            file.write(f"{epoch} {os.getpid()}\n")
        while epoch == 6 and not (folder.parents[1] / "go").exists():
            time.sleep(0.02)
        if report(epoch, 0.5):
            return Outcome(
                number=number, candidate=candidate, state="stopped early", epochs=epoch + 1, reason="told to stop"
            )
    return complete(number, candidate, settings.epochs, 0.5)


def hasty(
    settings: SearchSettings, base: BaseFacts, number: int, candidate: Candidate, folder: Path, report: Report
) -> Outcome:
    """Waits after every epoch to be told to stop; of five trials the fourth is far below the others."""
    for epoch in range(settings.epochs):
        stop = report(epoch, 0.1 if number == 3 else 0.8)
        waited = time.monotonic()
        while number == 3 and epoch >= settings.epochs // 3 and not stop and time.monotonic() - waited < 10.0:
            time.sleep(0.02)
            stop = (folder / "stop").exists()
        if stop:
            return Outcome(
                number=number, candidate=candidate, state="stopped early", epochs=epoch + 1, reason="told to stop"
            )
    return complete(number, candidate, settings.epochs, 0.8)
