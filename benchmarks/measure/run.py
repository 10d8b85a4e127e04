"""`edgeneuro benchmark`: engines and rivals in one run, and everything that can be said about them afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from edgeneuro.benchmarks.compute.peaks import Kernel, best_peaks, open_bandwidth, open_kernels
from edgeneuro.benchmarks.document import Conditions, Peak, Protocol, Quiet, Report
from edgeneuro.benchmarks.dual import CLAIMED_SHARE, dual_macs
from edgeneuro.benchmarks.measure.conditions import Watch
from edgeneuro.benchmarks.measure.details import Bench, details
from edgeneuro.benchmarks.measure.quiet import judge_quiet
from edgeneuro.benchmarks.measure.records import comparisons, engine_record
from edgeneuro.benchmarks.measure.session import Session, Timed
from edgeneuro.benchmarks.measure.settings import DEFAULT, Settings, Track
from edgeneuro.benchmarks.measure.subgroups import subgroup_columns
from edgeneuro.benchmarks.power.meters import open_meters
from edgeneuro.benchmarks.power.missing import not_measured
from edgeneuro.benchmarks.protocol import ratio
from edgeneuro.benchmarks.results import machine
from edgeneuro.data.sample import DataSet
from edgeneuro.runtime import read_bundle

BANDWIDTH = "bandwidth"


def benchmark(
    paths: Sequence[Path],
    dataset: DataSet | None = None,
    *,
    settings: Settings = DEFAULT,
    command: str = "",
    device: str | None = None,
    track: Track = iter,
    progress: Callable[[str], None] = lambda text: None,
) -> Report:
    """Measure every graph of every engine, and rivals, on this machine.

    dataset: frames to feed, and, where they are labelled, to judge by; None makes synthetic ones. command: as typed, for
    the report. device: what to call this machine. Raises what opening an engine raises, DataError for an empty data
    set or an unknown subgroup, FrameError.
    """
    if dataset is not None:
        subgroup_columns(dataset, settings.subgroups)  # refused before the work, not after
    bundles = [read_bundle(path, allow_unsigned=settings.allow_unsigned) for path in paths]
    with ExitStack() as stack:
        session = Session(settings=settings, dataset=dataset, stack=stack, track=track, progress=progress)
        with Watch(settings.threads) as watch:
            kernels = _kernels(settings, stack)
            timed = [
                session.time(path, label, bundle, kernels)
                for path, label, bundle in zip(paths, _labels(paths), bundles, strict=True)
            ]
        quiet = _quiet(timed, watch.conditions())
        peaks, bandwidth = _peaks(kernels, timed)
        meters, silent = open_meters()
        session.missing.update(not_measured(meters, silent))
        meter = next((meter for meter in meters if meter.sees != "gpu"), None)
        bench = Bench(session=session, peaks=peaks, bandwidth_gb_s=bandwidth, meter=meter)
        rows = tuple(row for one in timed for row in details(one, bench))
    macs, source = dual_macs(one.bundle.manifest for one in timed)
    here = machine()
    return Report(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=command,
        device=device or f"{here['processor']}, {here['cores']} cores",
        machine=here,
        protocol=_protocol(settings, timed),
        conditions=watch.conditions(),
        quiet=quiet,
        peaks=peaks,
        bandwidth_gb_s=bandwidth,
        claimed_share=CLAIMED_SHARE,
        dual_macs=macs,
        dual_source=source,
        engines=tuple(engine_record(one, macs) for one in timed),
        rows=rows,
        comparisons=tuple(found for one in timed for found in comparisons(one, quiet)),
        not_measured=session.missing,
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


def _quiet(timed: Sequence[Timed], conditions: Conditions) -> Quiet:
    """By the noisiest of the engines' controls."""
    sames = [ratio(one.inference[one.chosen], one.times.control) for one in timed]
    noisiest = max(sames, key=lambda same: abs(np.log(same.p50)))
    return judge_quiet(noisiest, conditions, [row for one in timed for row in one.times.unstable])


def _peaks(kernels: Mapping[str, Kernel], timed: Sequence[Timed]) -> tuple[tuple[Peak, ...], float]:
    """Over the calls beside all engines; GB/s."""
    ms = {name: np.concatenate([one.times.kernels[name] for one in timed]) for name in kernels}
    peaks = best_peaks({name: kernel for name, kernel in kernels.items() if name != BANDWIDTH}, ms)
    return peaks, kernels[BANDWIDTH].bytes / float(np.median(ms[BANDWIDTH])) / 1e6


def _protocol(settings: Settings, timed: Sequence[Timed]) -> Protocol:
    return Protocol(
        scenarios=settings.scenarios,
        queries=settings.queries,
        budget_s=settings.budget_s,
        warm_up={one.label: one.times.warm_up for one in timed},
        rounds={one.label: len(one.times.control) for one in timed},
        seed=settings.seed,
        frames="; ".join(dict.fromkeys(one.frames.described for one in timed)),
    )
