"""The search: which trials there are, what came of them, and the best.

    FOLDER/settings.json            what was asked for
    FOLDER/base.json                BaseFacts
    FOLDER/trials/N/proposal.json   the candidate, and where it was drawn from
    FOLDER/trials/N/progress.jsonl  score after each epoch, by the trial
    FOLDER/trials/N/stop            the epoch after which it was found hopeless
    FOLDER/trials/N/outcome.json    once it is over

These files are the whole state. A search that is run again in its folder does what is missing.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import optuna

from edgeneuro.errors import CheckpointError, InputError, OutputError
from edgeneuro.export.compress.advise import Past, Proposal, hopeless, propose
from edgeneuro.export.compress.cluster import Running, RunTrial, WorkerLost, Workers
from edgeneuro.export.compress.progress import LOCK, OUTCOME, PROPOSAL, ask_to_stop, held, read_progress, stopped_at
from edgeneuro.export.compress.records import BaseFacts, Candidate, Goal, Outcome, SearchSettings
from edgeneuro.files import write_json
from edgeneuro.records import from_json, to_json

SETTINGS, BASE, TRIALS = "settings.json", "base.json", "trials"
POLL_S = 0.2
FAILURES = 3
"""If the first so many trials fail, so would the others."""
FREE = ("trials", "base", "data")
"""Settings that may differ when a search goes on: how long, and where things lie now."""

Suggest = Callable[[optuna.Trial, BaseFacts, Goal], Candidate]
Record = TypeVar("Record")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search ended with. outcomes: by number. winner: None where no complete trial is inside the goal."""

    settings: SearchSettings
    base: BaseFacts
    outcomes: tuple[Outcome, ...]
    winner: Outcome | None


def prepare_folder(folder: Path, *, resume: bool, force: bool) -> None:
    """Make the folder of a search. Raises OutputError for one that holds files and is not to be gone on with. force: start
    afresh where a search is; nothing else is thrown away."""
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else {"a file"} if folder.exists() else set()
    if SETTINGS in there and not resume:
        if not force:
            raise OutputError(f"{folder}: holds a search; give --resume to go on, or --force to start afresh")
        shutil.rmtree(folder)
    elif SETTINGS not in there and there - {LOCK, TRIALS}:  # these two are left by a search that could not begin
        raise OutputError(f"{folder}: exists already and is no search; give another --study")
    try:
        (folder / TRIALS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another --study") from error


def search(
    settings: SearchSettings,
    folder: Path,
    *,
    cluster: Callable[[], AbstractContextManager[Workers]],
    run: RunTrial,
    facts: Callable[[SearchSettings], BaseFacts],
    suggest: Suggest,
    progress: Callable[[Outcome], None] = lambda _: None,
    step: Callable[[str], None] = lambda _: None,
) -> Found:
    """Run the trials that `folder`, from `prepare_folder`, does not have yet.

    cluster: opened only if there are any. run, facts, suggest: run_trial, base_facts and suggest of
    edgeneuro.export.compress.trial and .space. progress: told every outcome, those of before first. step: told what runs.

    Raises CheckpointError where the folder's search was asked for something else, UsageError where another process works in the
    folder, InputError where every trial fails, and what `run` raises because no trial could run; KeyboardInterrupt passes through.
    What was finished stays, the rest can be done later.
    """
    folder = folder.resolve()
    message = f"{folder}: another process works on this search; wait for it, or give another --study"
    with held(folder / LOCK, wait=False, message=message):
        base = _begin(settings, folder, facts)
        study = _Study(settings, base, folder, suggest, progress, step)
        if study.missing():
            with cluster() as workers:
                study.run(workers, run)
        outcomes = tuple(study.outcomes())
        return Found(settings=settings, base=base, outcomes=outcomes, winner=winner(outcomes, settings.goal, base))


def excess(outcome: Outcome, goal: Goal, base: BaseFacts) -> float:
    """How far above the goal, as a share of the goal; 0 where inside, 1 where it was not measured."""
    if goal.macs is not None:
        ratio = None if outcome.macs is None else outcome.macs / (goal.macs * base.macs)
    else:
        assert goal.latency_ms is not None
        ratio = None if outcome.latency_ms is None else outcome.latency_ms[0] / goal.latency_ms
    return 1.0 if ratio is None else max(ratio - 1.0, 0.0)


def winner(outcomes: tuple[Outcome, ...], goal: Goal, base: BaseFacts) -> Outcome | None:
    """The best score on the validation part among complete trials inside the goal; of equals the one that multiplies least."""
    inside = [
        (outcome.score.value, -outcome.macs, -outcome.number, outcome)
        for outcome in outcomes
        if outcome.state == "complete" and outcome.score and outcome.macs and excess(outcome, goal, base) == 0.0
    ]
    return max(inside, key=lambda one: one[:3])[3] if inside else None


class _Study:
    """The trials so far, those that run, and what is done with either."""

    def __init__(
        self,
        settings: SearchSettings,
        base: BaseFacts,
        folder: Path,
        suggest: Suggest,
        progress: Callable[[Outcome], None],
        step: Callable[[str], None],
    ) -> None:
        self.settings, self.base, self.folder = settings, base, folder
        self.suggest, self.progress, self.step = suggest, progress, step
        self.pasts: dict[int, Past] = {}
        self.running: dict[int, Running] = {}
        while (place := self.place(len(self.pasts)) / PROPOSAL).exists():
            self.pasts[len(self.pasts)] = Past(proposal=_read(Proposal, place))
        for number in self.pasts:
            if (self.place(number) / OUTCOME).exists():
                self.keep(_read(Outcome, self.place(number) / OUTCOME))

    def place(self, number: int) -> Path:
        """A trial's folder."""
        return self.folder / TRIALS / str(number)

    def outcomes(self) -> list[Outcome]:
        """Of the trials that are over, by number."""
        return [past.outcome for past in self.pasts.values() if past.outcome is not None]

    def missing(self) -> list[int]:
        """Trials neither over nor running."""
        over = {outcome.number for outcome in self.outcomes()}
        return [number for number in range(self.settings.trials) if number not in over and number not in self.running]

    def run(self, workers: Workers, run: RunTrial) -> None:
        """Until all trials are over."""
        while self.missing() or self.running:
            while (missing := self.missing()) and len(self.running) < workers.count():
                self.start(missing[0], workers, run)
            for number in list(self.running):
                over = self.running[number].done()
                self.watch(number)
                if over:
                    self.collect(number)
            time.sleep(POLL_S)

    def start(self, number: int, workers: Workers, run: RunTrial) -> None:
        """The trial as it was proposed before an interrupt, else a new one."""
        if number not in self.pasts:
            proposal = propose(
                list(self.pasts.values()),
                seed=self.settings.seed,
                number=number,
                suggest=lambda trial: self.suggest(trial, self.base, self.settings.goal),
            )
            write_json(self.place(number) / PROPOSAL, to_json(proposal))
            self.pasts[number] = Past(proposal=proposal)
        candidate = self.pasts[number].proposal.candidate
        self.step(f"trial {number} ({number + 1} of {self.settings.trials})")
        self.running[number] = workers.submit(run, self.settings, self.base, number, candidate, self.place(number))

    def watch(self, number: int) -> None:
        """Take in the epochs since the last look, one by one, so that what is decided does not depend on when one looks."""
        past, decided = self.pasts[number], stopped_at(self.place(number))
        for epoch, score in read_progress(self.place(number)).items():
            if epoch in past.scores or (decided is not None and epoch > decided):
                continue
            past = replace(past, scores={**past.scores, epoch: score})
            self.pasts[number] = past
            self.step(f"trial {number}, epoch {epoch + 1} of {self.settings.epochs}: {100 * score:.1f} %")
            if decided is None and hopeless(self.others(number), past.scores, epochs=self.settings.epochs):
                ask_to_stop(self.place(number), epoch)
                decided = epoch

    def collect(self, number: int) -> None:
        """Write down how a trial ended. Raises InputError where all fail, and what the trial raised."""
        running, decided = self.running.pop(number), stopped_at(self.place(number))
        try:
            outcome = running.result()
        except WorkerLost as error:
            candidate = self.pasts[number].proposal.candidate
            outcome = Outcome(number=number, candidate=candidate, state="failed", reason=str(error))
        if outcome.state == "complete" and decided is not None:  # it was over before it could see that it was to stop
            reason = f"below the median of the complete trials after epoch {decided + 1}"
            outcome = replace(outcome, state="stopped early", reason=reason)
        write_json(self.place(number) / OUTCOME, to_json(outcome))
        self.keep(outcome)
        first = self.outcomes()[:FAILURES]
        if len(first) == FAILURES and all(one.state == "failed" for one in first):
            raise InputError(
                f"{self.folder}: the first {FAILURES} trials failed, so would the others: {first[0].reason}"
            )

    def keep(self, outcome: Outcome) -> None:
        """What is on disk becomes what later proposals stand on."""
        number, decided = outcome.number, stopped_at(self.place(outcome.number))
        self.pasts[number] = replace(
            self.pasts[number],
            outcome=outcome,
            scores={
                epoch: score
                for epoch, score in read_progress(self.place(number)).items()
                if decided is None or epoch <= decided
            },
            excess=excess(outcome, self.settings.goal, self.base),
        )
        self.progress(outcome)

    def others(self, number: int) -> list[Past]:
        """What a trial is compared with."""
        return [past for other, past in self.pasts.items() if other != number]


def _begin(settings: SearchSettings, folder: Path, facts: Callable[[SearchSettings], BaseFacts]) -> BaseFacts:
    """The base as it was when the search began; settings and base are written down where there are none."""
    if not (folder / BASE).exists():
        base = facts(settings)
        write_json(folder / SETTINGS, to_json(settings))
        write_json(folder / BASE, to_json(base))
        return base
    there = _read(SearchSettings, folder / SETTINGS)
    _refuse_other(folder / SETTINGS, to_json(there), to_json(settings))
    base, now = _read(BaseFacts, folder / BASE), facts(settings)
    if now.weights != base.weights:
        raise CheckpointError(
            f"{folder}: is a search from weights {base.weights[:12]}..., {settings.base} now holds {now.weights[:12]}...; "
            "give the same checkpoint, or another --study"
        )
    return base


def _refuse_other(where: Path, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise CheckpointError naming the first setting that differs."""
    for name, value in wanted.items():
        if name not in FREE and there[name] != value:
            if isinstance(value, Mapping):
                return _refuse_other(where, there[name], value)
            raise CheckpointError(
                f"{where}: the search was begun with {name.replace('_', ' ')} {there[name]!r}, now got {value!r}; go on with the "
                "same settings, or give --force or another --study"
            )


def _read(kind: type[Record], path: Path) -> Record:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); restore it, or start afresh with --force") from error
    return from_json(kind, value, str(path))
