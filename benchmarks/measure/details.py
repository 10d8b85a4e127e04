"""What is found out about each row after its time was taken: layers, roofline, accuracy, scenarios, memory, energy, soak."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeneuro.benchmarks.compute.profile import profile_layers
from edgeneuro.benchmarks.compute.roofline import layer_precisions, roofline, with_floors
from edgeneuro.benchmarks.document import AccuracyRecord, Peak, Row, ScenarioResult
from edgeneuro.benchmarks.measure.frames import Frames
from edgeneuro.benchmarks.measure.judge import judge_rows
from edgeneuro.benchmarks.measure.open_rows import OpenRow
from edgeneuro.benchmarks.measure.scenarios import Runner, run_scenario
from edgeneuro.benchmarks.measure.settings import Settings, Track
from edgeneuro.benchmarks.power.energy import measure_energy
from edgeneuro.benchmarks.power.memory import measure_memory
from edgeneuro.benchmarks.power.meters import Meter
from edgeneuro.benchmarks.power.soak import soak
from edgeneuro.data.sample import DataSet
from edgeneuro.errors import InputError
from edgeneuro.manifest import Manifest
from edgeneuro.runtime import Bundle, open_engine
from edgeneuro.runtime.cpu import core_count
from edgeneuro.spec import Feed

ENERGY_S, IDLE_S = 5.0, 3.0
"""Seconds of frames, and of rest before them."""
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all rows of a run share. meter: of energy, None where no sensor sees the processor. missing: what -> why it is not
    measured here; added to."""

    settings: Settings
    dataset: DataSet | None
    peaks: tuple[Peak, ...]
    bandwidth_gb_s: float | None
    meter: Meter | None
    missing: dict[str, str]


def details(
    path: Path,
    bundle: Bundle,
    frames: Frames,
    opened: Sequence[OpenRow],
    plain: Mapping[str, Row],
    chosen: str,
    bench: Bench,
    track: Track,
    progress: Progress,
) -> list[Row]:
    """The rows of one engine, completed. plain: what the clock said, by name."""
    label = plain[chosen].engine
    progress(f"{label}: layer by layer")
    rows = {row.name: _layered(plain[row.name], row, bundle.manifest, frames.feeds, bench) for row in opened}
    judged = _judged(label, bundle.manifest, opened, bench, track, progress)
    rows = {name: replace(row, accuracy=judged.get(name)) for name, row in rows.items()}
    ours = [row for row in opened if row.engine is not None]
    for name, results in _scenarios(path, label, ours, frames.feeds, bench, track, progress).items():
        rows[name] = replace(rows[name], scenarios=results)
    progress(f"{label}: memory")
    for row in ours:
        rows[row.name] = _with_memory(rows[row.name], path, bench)
    if bench.meter is not None:
        for row in ours:
            progress(f"{row.name}: energy")
            rows[row.name] = _with_energy(rows[row.name], row, frames, bench.meter, bench)
    if bench.settings.soak_s:
        progress(f"{label}: soak of {bench.settings.soak_s:g} s")
        infer = next(row.infer for row in ours if row.name == chosen)
        done = soak(_call(infer, frames), seconds=bench.settings.soak_s, track=track)
        rows[chosen] = replace(rows[chosen], soak=done)
    return list(rows.values())


def _layered(row: Row, opened: OpenRow, manifest: Manifest, feeds: Sequence[Feed], bench: Bench) -> Row:
    """With the time of each layer and the roofline; of this project's rows, whose graphs are at hand."""
    costs = manifest.compute.layers
    if opened.engine is None or opened.graph is None:
        return row
    layers = profile_layers(opened.graph, opened.backend, feeds, threads=bench.settings.threads)
    if not costs or bench.bandwidth_gb_s is None:
        bench.missing[f"{row.engine}: roofline"] = "the engine does not list its layers; build it again"
        return replace(row, layers=layers)
    peaks, bandwidth = bench.peaks, bench.bandwidth_gb_s
    found = roofline(
        costs,
        layer_precisions(layers, costs),
        peaks=peaks,
        bandwidth_gb_s=bandwidth,
        inference_ms=row.steps["inference"].at(50).ms,
    )
    floors = with_floors(layers, costs, peaks=peaks, bandwidth_gb_s=bandwidth)
    return replace(row, layers=floors, roofline=found)


def _judged(
    label: str, manifest: Manifest, opened: Sequence[OpenRow], bench: Bench, track: Track, progress: Progress
) -> Mapping[str, AccuracyRecord]:
    """Row -> accuracy; none where the data cannot judge this network, which has been said."""
    if bench.dataset is None or accuracy_of(label) in bench.missing:
        return {}
    progress(f"{label}: accuracy on {bench.dataset.name}")
    return judge_rows(
        manifest,
        bench.dataset,
        {row.name: row.infer for row in opened},
        reference=opened[0].name,
        subgroups=bench.settings.subgroups,
        seed=bench.settings.seed,
        track=track,
        failed=lambda row, error: bench.missing.update({accuracy_of(row): str(error)}),
    )


def accuracy_of(name: str) -> str:
    """What is missing where the accuracy of this engine or row is."""
    return f"{name}: accuracy"


def _scenarios(
    path: Path,
    label: str,
    ours: Sequence[OpenRow],
    feeds: Sequence[Feed],
    bench: Bench,
    track: Track,
    progress: Progress,
) -> Mapping[str, tuple[ScenarioResult, ...]]:
    """Row -> results of the scenarios with several frames in flight; single-stream is what the rounds were."""
    settings = bench.settings
    wanted = [scenario for scenario in settings.scenarios if scenario != "single-stream"]
    found: dict[str, tuple[ScenarioResult, ...]] = {row.name: () for row in ours}
    if not wanted:
        return found
    streams = settings.threads or core_count()
    with ExitStack() as stack:
        runners = {row.name: _runner(path, row, streams, settings, stack) for row in ours}
        for scenario in wanted:
            progress(f"{label}: {scenario}")
            results = run_scenario(
                scenario,
                runners,
                feeds,
                queries=settings.queries,
                budget_s=settings.budget_s,
                rng=np.random.default_rng(settings.seed),
                track=track,
            )
            found = {name: (*before, results[name]) for name, before in found.items()}
    return found


def _runner(path: Path, row: OpenRow, streams: int, settings: Settings, stack: ExitStack) -> Runner:
    engine = stack.enter_context(
        open_engine(
            path,
            precision=row.precision,  # type: ignore[arg-type]  # as the engine said it
            backend=row.backend,
            threads=settings.threads,
            streams=streams,
            self_test=False,
        )
    )

    def run(feeds: Sequence[Feed]) -> None:
        deque(engine.infer_many(feeds), maxlen=0)

    return Runner(streams=streams, run=run)


def _with_memory(row: Row, path: Path, bench: Bench) -> Row:
    try:
        found = measure_memory(path, precision=row.precision, backend=row.backend, threads=bench.settings.threads)
    except InputError as error:
        bench.missing["memory"] = str(error)
        return row
    return replace(row, memory=found)


def _with_energy(row: Row, opened: OpenRow, frames: Frames, meter: Meter, bench: Bench) -> Row:
    call = _call(opened.infer, frames)
    try:
        return replace(row, energy=measure_energy(call, meter, seconds=ENERGY_S, idle_seconds=IDLE_S))
    except InputError as error:
        bench.missing["energy"] = str(error)
        return row


def _call(infer: Callable[[Feed], object], frames: Frames) -> Callable[[int], float]:
    """Inference of frame `number`, in ms."""

    def run(number: int) -> float:
        started = time.perf_counter()
        infer(frames.feeds[number % len(frames.feeds)])
        return 1e3 * (time.perf_counter() - started)

    return run
