"""One run of `edgeneuro benchmark`: what it was asked, what it found it cannot do, and each engine's time under the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgeneuro.benchmarks.compute.peaks import Kernel
from edgeneuro.benchmarks.measure.frames import Frames, frames_for
from edgeneuro.benchmarks.measure.judge import judge_notes
from edgeneuro.benchmarks.measure.open_rows import OpenRow, open_rows, rival_row
from edgeneuro.benchmarks.measure.rival_source import rival_source
from edgeneuro.benchmarks.measure.settings import Settings, Track
from edgeneuro.benchmarks.measure.time_engine import EngineTimes, time_engine
from edgeneuro.benchmarks.protocol import Floats
from edgeneuro.benchmarks.rivals.open import open_rivals
from edgeneuro.data.sample import DataSet
from edgeneuro.errors import DataError
from edgeneuro.runtime import Bundle
from edgeneuro.runtime.auto import Choice, choose_for

TRANSFER = "processors share their memory with the program: nothing is copied to a device"
NO_CAPTURE = "frames were made by the package or lay in memory; give --data with recorded frames"
NO_FRAMES = "no frames to judge by; give --data with labelled frames of other groups"


@dataclass(kw_only=True, eq=False)
class Timed:
    """One engine after its rounds. label: its name in the document. rows: the float one first. choice: what backend=auto
    takes. notes: on what accuracy is measured."""

    label: str
    path: Path
    bundle: Bundle
    frames: Frames
    rows: list[OpenRow]
    choice: Choice
    times: EngineTimes
    notes: tuple[str, ...]

    @property
    def chosen(self) -> str:
        """Name of the row that backend=auto takes."""
        return chosen_row(self.rows, self.choice)

    @property
    def inference(self) -> dict[str, Floats]:
        """Row -> (round,) ms."""
        return {name: steps["inference"] for name, steps in self.times.rows.items()}


@dataclass(kw_only=True, eq=False)
class Session:
    """stack: closes what is opened. track, progress: show what goes on. missing: what -> why it is not measured here."""

    settings: Settings
    dataset: DataSet | None
    stack: ExitStack
    track: Track
    progress: Callable[[str], None]
    missing: dict[str, str] = field(default_factory=lambda: {"transfer": TRANSFER})

    def time(self, path: Path, label: str, bundle: Bundle, kernels: Mapping[str, Kernel]) -> Timed:
        """Open all that runs this engine's network here, and let it run. Raises what opening the float graph raises."""
        settings = self.settings
        self.progress(f"{label}: opening")
        frames = frames_for(bundle, self.dataset, settings.seed)
        if frames.capture is None:
            self.missing.setdefault("capture", NO_CAPTURE)
        notes = self._judge_notes(label, bundle)
        rows, left_out = open_rows(
            path,
            label,
            bundle,
            frames,
            backends=settings.backends,
            threads=settings.threads,
            allow_unsigned=settings.allow_unsigned,
            stack=self.stack,
        )
        self.missing.update(left_out)
        if settings.rivals:
            rows += self._rivals(label, bundle, frames)
        self.progress(f"{label}: asking which graph is the fastest here")
        choice = choose_for(bundle, str(path), precision=None, threads=settings.threads, streams=1)
        self.progress(f"{label}: timing {len(rows)} rows, up to {settings.budget_s:g} s")
        times = time_engine(
            rows,
            frames.feeds,
            kernels,
            control=chosen_row(rows, choice),
            threads=settings.threads,
            queries=settings.queries,
            budget_s=settings.budget_s,
            rng=np.random.default_rng(settings.seed),
            track=self.track,
        )
        return Timed(
            label=label, path=path, bundle=bundle, frames=frames, rows=rows, choice=choice, times=times, notes=notes
        )

    def _judge_notes(self, label: str, bundle: Bundle) -> tuple[str, ...]:
        """What a reader of the accuracy must know; where the data cannot judge this network, that is said instead."""
        if self.dataset is None:
            self.missing.setdefault("accuracy", NO_FRAMES)
            return ()
        try:
            return judge_notes(bundle.manifest, self.dataset, subgroups=self.settings.subgroups)
        except DataError as error:
            self.missing[accuracy_of(label)] = str(error)
            return ()

    def _rivals(self, label: str, bundle: Bundle, frames: Frames) -> list[OpenRow]:
        source = rival_source(label, bundle, frames, self.dataset, self.settings)
        found = open_rivals(
            source, threads=self.settings.threads, progress=lambda text: self.progress(f"{label}: {text}")
        )
        self.missing.update({f"{label}: {name}": reason for name, reason in found.missing.items()})
        rows = []
        for rival in found.opened:
            self.stack.callback(rival.close)
            rows.append(rival_row(f"{label}: {rival.tool} ({rival.precision}, {rival.backend})", rival))
        return rows


def accuracy_of(name: str) -> str:
    """What is missing where the accuracy of this engine or row is."""
    return f"{name}: accuracy"


def chosen_row(rows: list[OpenRow], choice: Choice) -> str:
    """Name of the row that `choice` names; of the float one where that backend is not measured."""
    ours = [row for row in rows if row.engine is not None]
    taken = (choice.precision, choice.backend)
    return next((row.name for row in ours if (row.precision, row.backend) == taken), ours[0].name)
