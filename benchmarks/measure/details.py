"""What is found out about each row after its time was taken: layers, roofline, accuracy, scenarios, memory, energy, soak."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np

from edgeneuro.benchmarks.compute.profile import profile_layers
from edgeneuro.benchmarks.compute.roofline import layer_precisions, roofline, with_floors
from edgeneuro.benchmarks.document import AccuracyRecord, Peak, Row, ScenarioResult
from edgeneuro.benchmarks.measure.judge import judge_rows
from edgeneuro.benchmarks.measure.open_rows import OpenRow
from edgeneuro.benchmarks.measure.records import row_of
from edgeneuro.benchmarks.measure.scenarios import Runner, run_scenario
from edgeneuro.benchmarks.measure.session import Session, Timed, accuracy_of
from edgeneuro.benchmarks.power.energy import measure_energy
from edgeneuro.benchmarks.power.memory import measure_memory
from edgeneuro.benchmarks.power.meters import Meter
from edgeneuro.benchmarks.power.soak import soak
from edgeneuro.errors import InputError
from edgeneuro.runtime import open_engine
from edgeneuro.runtime.cpu import core_count
from edgeneuro.spec import Feed

ENERGY_S, IDLE_S = 5.0, 3.0
"""Seconds of frames, and of rest before them."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all rows of a run share. meter: of energy, None where no sensor sees the processor."""

    session: Session
    peaks: tuple[Peak, ...]
    bandwidth_gb_s: float
    meter: Meter | None


def details(one: Timed, bench: Bench) -> list[Row]:
    """The rows of one engine, completed."""
    session = bench.session
    session.progress(f"{one.label}: layer by layer")
    rows = {row.name: _layered(one, row, bench) for row in one.rows}
    judged = _judged(one, session)
    rows = {name: replace(row, accuracy=judged.get(name)) for name, row in rows.items()}
    ours = [row for row in one.rows if row.engine is not None]
    for name, results in _scenarios(one, ours, session).items():
        rows[name] = replace(rows[name], scenarios=results)
    session.progress(f"{one.label}: memory")
    for row in ours:
        rows[row.name] = _with_memory(rows[row.name], one, session)
    if bench.meter is not None:
        for row in ours:
            session.progress(f"{row.name}: energy")
            rows[row.name] = _with_energy(rows[row.name], _call(row, one), bench.meter, session)
    if session.settings.soak_s:
        session.progress(f"{one.label}: soak of {session.settings.soak_s:g} s")
        call = _call(next(row for row in ours if row.name == one.chosen), one)
        done = soak(call, seconds=session.settings.soak_s, track=session.track)
        rows[one.chosen] = replace(rows[one.chosen], soak=done)
    return list(rows.values())


def _layered(one: Timed, opened: OpenRow, bench: Bench) -> Row:
    """With the time of each layer and the roofline; of this project's rows, whose graphs are at hand."""
    row, costs = row_of(one, opened), one.bundle.manifest.compute.layers
    if opened.engine is None or opened.graph is None:
        return row
    threads = bench.session.settings.threads
    layers = profile_layers(opened.graph, opened.backend, one.frames.feeds, threads=threads)
    if not costs:
        bench.session.missing[f"{row.engine}: roofline"] = "the engine does not list its layers; build it again"
        return replace(row, layers=layers)
    found = roofline(
        costs,
        layer_precisions(layers, costs),
        peaks=bench.peaks,
        bandwidth_gb_s=bench.bandwidth_gb_s,
        inference_ms=row.steps["inference"].at(50).ms,
    )
    floors = with_floors(layers, costs, peaks=bench.peaks, bandwidth_gb_s=bench.bandwidth_gb_s)
    return replace(row, layers=floors, roofline=found)


def _judged(one: Timed, session: Session) -> Mapping[str, AccuracyRecord]:
    """Row -> accuracy; none where the data cannot judge this network, which has been said."""
    if session.dataset is None or accuracy_of(one.label) in session.missing:
        return {}
    session.progress(f"{one.label}: accuracy on {session.dataset.name}")
    return judge_rows(
        one.bundle.manifest,
        session.dataset,
        {row.name: row.infer for row in one.rows},
        reference=one.rows[0].name,
        subgroups=session.settings.subgroups,
        seed=session.settings.seed,
        track=session.track,
        failed=lambda row, error: session.missing.update({accuracy_of(row): str(error)}),
    )


def _scenarios(one: Timed, ours: Sequence[OpenRow], session: Session) -> Mapping[str, tuple[ScenarioResult, ...]]:
    """Row -> results of the scenarios with several frames in flight; single-stream is what the rounds were."""
    settings = session.settings
    wanted = [scenario for scenario in settings.scenarios if scenario != "single-stream"]
    found: dict[str, tuple[ScenarioResult, ...]] = {row.name: () for row in ours}
    if not wanted:
        return found
    with ExitStack() as stack:
        runners = {row.name: _runner(one, row, session, stack) for row in ours}
        for scenario in wanted:
            session.progress(f"{one.label}: {scenario}")
            results = run_scenario(
                scenario,
                runners,
                one.frames.feeds,
                queries=settings.queries,
                budget_s=settings.budget_s,
                rng=np.random.default_rng(settings.seed),
                track=session.track,
            )
            found = {name: (*before, results[name]) for name, before in found.items()}
    return found


def _runner(one: Timed, row: OpenRow, session: Session, stack: ExitStack) -> Runner:
    streams = session.settings.threads or core_count()
    engine = stack.enter_context(
        open_engine(
            one.path,
            precision=row.precision,  # type: ignore[arg-type]  # as the engine said it
            backend=row.backend,
            threads=session.settings.threads,
            streams=streams,
            self_test=False,
            allow_unsigned=session.settings.allow_unsigned,
        )
    )

    def run(feeds: Sequence[Feed]) -> None:
        deque(engine.infer_many(feeds), maxlen=0)

    return Runner(streams=streams, run=run)


def _with_memory(row: Row, one: Timed, session: Session) -> Row:
    settings = session.settings
    try:
        found = measure_memory(
            one.path,
            precision=row.precision,
            backend=row.backend,
            threads=settings.threads,
            allow_unsigned=settings.allow_unsigned,
        )
    except InputError as error:
        session.missing["memory"] = str(error)
        return row
    return replace(row, memory=found)


def _with_energy(row: Row, call: Callable[[int], float], meter: Meter, session: Session) -> Row:
    try:
        return replace(row, energy=measure_energy(call, meter, seconds=ENERGY_S, idle_seconds=IDLE_S))
    except InputError as error:
        session.missing["energy"] = str(error)
        return row


def _call(row: OpenRow, one: Timed) -> Callable[[int], float]:
    """Inference of frame `number`, in ms."""
    feeds = one.frames.feeds

    def run(number: int) -> float:
        started = time.perf_counter()
        row.infer(feeds[number % len(feeds)])
        return 1e3 * (time.perf_counter() - started)

    return run
