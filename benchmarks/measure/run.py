"""`edgeneuro benchmark`: engines and rivals in one run, and everything that can be said about them afterwards."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from edgeneuro.benchmarks.compute.peaks import Kernel, best_peaks, open_bandwidth, open_kernels
from edgeneuro.benchmarks.document import (
    Comparison,
    EngineRecord,
    Peak,
    Protocol,
    Quiet,
    Report,
    Row,
)
from edgeneuro.benchmarks.dual import CLAIMED_SHARE, dual_macs
from edgeneuro.benchmarks.measure.conditions import Watch
from edgeneuro.benchmarks.measure.details import Bench, accuracy_of, details
from edgeneuro.benchmarks.measure.frames import Frames, frames_for
from edgeneuro.benchmarks.measure.judge import judge_notes
from edgeneuro.benchmarks.measure.open_rows import OpenRow, open_rows, rival_row
from edgeneuro.benchmarks.measure.quantiles import latency
from edgeneuro.benchmarks.measure.quiet import compare, judge_quiet
from edgeneuro.benchmarks.measure.rival_source import rival_source
from edgeneuro.benchmarks.measure.settings import DEFAULT, Settings, Track
from edgeneuro.benchmarks.measure.subgroups import subgroup_columns
from edgeneuro.benchmarks.measure.time_engine import EngineTimes, time_engine
from edgeneuro.benchmarks.power.meters import open_meters
from edgeneuro.benchmarks.power.missing import not_measured
from edgeneuro.benchmarks.protocol import Floats, ratio
from edgeneuro.benchmarks.results import machine
from edgeneuro.benchmarks.rivals.open import open_rivals
from edgeneuro.data.sample import DataSet
from edgeneuro.errors import DataError
from edgeneuro.models import MODELS
from edgeneuro.runtime import Bundle, read_bundle
from edgeneuro.runtime.auto import Choice, choose_auto

BANDWIDTH = "bandwidth"
TRANSFER = "processors share their memory with the program: nothing is copied to a device"
Progress = Callable[[str], None]


@dataclass(kw_only=True, eq=False)
class Timed:
    """One engine after its rounds. label: its name in the document. choice: what backend=auto takes. notes: on what accuracy
    is measured."""

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
        """Name of the row that backend=auto takes; the float one where that row is not measured."""
        return _chosen(self.rows, self.choice)


def benchmark(
    paths: Sequence[Path],
    dataset: DataSet | None = None,
    *,
    settings: Settings = DEFAULT,
    command: str = "",
    device: str | None = None,
    track: Track = iter,
    progress: Progress = lambda text: None,
) -> Report:
    """Measure every graph of every engine, and rivals, on this machine.

    dataset: frames to feed, and, where they are labelled, to judge by; None makes synthetic ones. command: as typed, for
    the report. device: what to call this machine. Raises what opening an engine raises, DataError for an empty data
    set, FrameError.
    """
    if dataset is not None:
        subgroup_columns(dataset, settings.subgroups)  # an unknown column is refused before the work, not after
    bundles = [read_bundle(path) for path in paths]
    missing: dict[str, str] = {"transfer": TRANSFER}
    threads = settings.threads
    with ExitStack() as stack, Watch(threads) as watch:
        kernels = _kernels(settings, stack)
        timed = []
        for path, label, bundle in zip(paths, _labels(paths), bundles, strict=True):
            timed.append(_time(path, label, bundle, dataset, settings, kernels, missing, stack, track, progress))
        watch.stop()
        conditions = watch.conditions()
        sames = [ratio(_inference(one)[one.chosen], one.times.control) for one in timed]
        noisiest = max(sames, key=lambda same: abs(np.log(same.p50)))
        quiet = judge_quiet(noisiest, conditions, [row for one in timed for row in one.times.unstable])
        peaks, bandwidth = _peaks(kernels, timed)
        meters, silent = open_meters()
        missing.update(not_measured(meters, silent))
        bench = Bench(
            settings=settings,
            dataset=dataset,
            peaks=peaks,
            bandwidth_gb_s=bandwidth,
            meter=next((meter for meter in meters if meter.sees != "gpu"), None),
            missing=missing,
        )
        rows = tuple(row for one in timed for row in _rows(one, bench, track, progress))
    macs, source = dual_macs(one.bundle.manifest for one in timed)
    here = machine()
    return Report(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=command,
        device=device or f"{here['processor']}, {here['cores']} cores",
        machine=here,
        protocol=Protocol(
            scenarios=settings.scenarios,
            queries=settings.queries,
            budget_s=settings.budget_s,
            warm_up={one.label: one.times.warm_up for one in timed},
            rounds={one.label: len(one.times.control) for one in timed},
            seed=settings.seed,
            frames="; ".join(dict.fromkeys(one.frames.described for one in timed)),
        ),
        conditions=conditions,
        quiet=quiet,
        peaks=peaks,
        bandwidth_gb_s=bandwidth,
        claimed_share=CLAIMED_SHARE,
        dual_macs=macs,
        dual_source=source,
        engines=tuple(_engine_record(one, macs) for one in timed),
        rows=rows,
        comparisons=tuple(found for one in timed for found in _comparisons(one, quiet)),
        not_measured=missing,
    )


def _labels(paths: Sequence[Path]) -> list[str]:
    """File names, whole paths where two files have the same name."""
    names = Counter(path.name for path in paths)
    return [path.name if names[path.name] == 1 else str(path) for path in paths]


def _kernels(settings: Settings, stack: ExitStack) -> dict[str, Kernel]:
    found = open_kernels(settings.backends, threads=settings.threads)
    found[BANDWIDTH] = open_bandwidth(settings.threads)
    for kernel in found.values():
        stack.callback(kernel.close)
    return found


def _time(
    path: Path,
    label: str,
    bundle: Bundle,
    dataset: DataSet | None,
    settings: Settings,
    kernels: Mapping[str, Kernel],
    missing: dict[str, str],
    stack: ExitStack,
    track: Track,
    progress: Progress,
) -> Timed:
    progress(f"{label}: opening")
    frames = frames_for(bundle, dataset, settings.seed)
    if frames.capture is None:
        missing.setdefault("capture", "frames were in memory; give --data with a folder of files")
    notes = _judge_notes(label, bundle, dataset, settings, missing)
    rows, left_out = open_rows(
        path, label, bundle, frames, backends=settings.backends, threads=settings.threads, stack=stack
    )
    missing.update(left_out)
    if settings.rivals:
        rows += _rivals(label, bundle, frames, dataset, settings, missing, stack, progress)
    progress(f"{label}: asking which graph is the fastest here")
    choice = choose_auto(path, threads=settings.threads)
    progress(f"{label}: timing {len(rows)} rows, up to {settings.budget_s:g} s")
    times = time_engine(
        rows,
        frames.feeds,
        kernels,
        control=_chosen(rows, choice),
        queries=settings.queries,
        budget_s=settings.budget_s,
        rng=np.random.default_rng(settings.seed),
        track=track,
    )
    return Timed(
        label=label, path=path, bundle=bundle, frames=frames, rows=rows, choice=choice, times=times, notes=notes
    )


def _judge_notes(
    label: str, bundle: Bundle, dataset: DataSet | None, settings: Settings, missing: dict[str, str]
) -> tuple[str, ...]:
    """What a reader of the accuracy must know; where the data cannot judge this network, that is said instead."""
    if dataset is None:
        missing.setdefault("accuracy", "no frames to judge by; give --data with labelled frames of other groups")
        return ()
    try:
        return judge_notes(bundle.manifest, dataset, subgroups=settings.subgroups)
    except DataError as error:
        missing[accuracy_of(label)] = str(error)
        return ()


def _rivals(
    label: str,
    bundle: Bundle,
    frames: Frames,
    dataset: DataSet | None,
    settings: Settings,
    missing: dict[str, str],
    stack: ExitStack,
    progress: Progress,
) -> list[OpenRow]:
    source = rival_source(label, bundle, frames, dataset, settings)
    found = open_rivals(source, threads=settings.threads, progress=lambda text: progress(f"{label}: {text}"))
    missing.update({f"{label}: {name}": reason for name, reason in found.missing.items()})
    rows = []
    for rival in found.opened:
        stack.callback(rival.close)
        name = f"{label}: {rival.tool} ({rival.precision}, {rival.backend})"
        rows.append(rival_row(name, rival))
    return rows


def _chosen(rows: Sequence[OpenRow], choice: Choice) -> str:
    ours = [row for row in rows if row.engine is not None]
    taken = (choice.precision, choice.backend)
    return next((row.name for row in ours if (row.precision, row.backend) == taken), ours[0].name)


def _inference(one: Timed) -> dict[str, Floats]:
    return {name: steps["inference"] for name, steps in one.times.rows.items()}


def _peaks(kernels: Mapping[str, Kernel], timed: Sequence[Timed]) -> tuple[tuple[Peak, ...], float | None]:
    """Over the calls beside all engines."""
    ms = {name: np.concatenate([one.times.kernels[name] for one in timed]) for name in kernels}
    peaks = best_peaks({name: kernel for name, kernel in kernels.items() if name != BANDWIDTH}, ms)
    return peaks, kernels[BANDWIDTH].bytes / float(np.median(ms[BANDWIDTH])) / 1e6


def _rows(one: Timed, bench: Bench, track: Track, progress: Progress) -> list[Row]:
    plain = {row.name: _row(one, row) for row in one.rows}
    found = details(one.path, one.bundle, one.frames, one.rows, plain, one.chosen, bench, track, progress)
    return [replace(row, chosen=row.name == one.chosen) for row in found]


def _row(one: Timed, row: OpenRow) -> Row:
    """What the clock and the manifest say; the rest follows in `details`."""
    steps = one.times.rows[row.name]
    graph = None if row.engine is None else row.engine.graph
    return Row(
        name=row.name,
        engine=one.label,
        tool=row.tool,
        backend=row.backend,
        precision=row.precision,
        path=None if graph is None else graph.path,
        bytes=None if row.graph is None else len(row.graph),
        convolutions=None if graph is None else graph.convolutions,
        int8_convolutions=None if graph is None else graph.int8_convolutions,
        steps={step: latency(ms) for step, ms in steps.items()},
        timeline_ms=tuple(round(float(ms), 4) for ms in steps["inference"]),
        start_ms={} if row.engine is None else dict(row.engine.start_ms),
        flags=() if row.engine is None else row.engine.flags,
        notes=row.notes,
    )


def _engine_record(one: Timed, macs: int) -> EngineRecord:
    manifest = one.bundle.manifest
    ours = manifest.model in MODELS  # the claim is not about a file of the user's own
    return EngineRecord(
        name=one.label,
        sha256=hashlib.sha256(one.path.read_bytes()).hexdigest(),
        model=manifest.model,
        task=manifest.task,
        precision=manifest.precision,
        input=", ".join(" x ".join(str(size) for size in spec.shape[1:]) for spec in manifest.inputs),
        bytes=one.path.stat().st_size,
        members={name: len(data) for name, data in one.bundle.members.items()},
        compute=manifest.compute,
        dual_share=manifest.compute.macs / macs if ours else None,
        trained_on=None if manifest.trained_on is None else manifest.trained_on.name,
        provenance=manifest.provenance,
        auto=one.choice.reason,
        flags=tuple(dict.fromkeys(flag for row in one.rows if row.engine for flag in row.engine.flags)),
        notes=(*manifest.notes, *one.notes),
    )


def _comparisons(one: Timed, quiet: Quiet) -> list[Comparison]:
    """Every row with the float one, and the chosen row with every other."""
    ms, first = _inference(one), one.rows[0].name
    pairs = [(name, first) for name in ms if name != first]
    pairs += [(one.chosen, name) for name in ms if name not in (one.chosen, first)]
    return [compare(row, reference, ms, quiet) for row, reference in dict.fromkeys(pairs)]
