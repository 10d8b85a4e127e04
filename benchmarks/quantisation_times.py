"""Latency of every graph of the quantisation study beside float on the same runtime, and beside the INT8 floor."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeneuro.benchmarks.compute.peaks import Kernel, best_peaks, open_kernels
from edgeneuro.benchmarks.document import Ratio
from edgeneuro.benchmarks.protocol import Floats, Quantiles, interleave, load_average, quantiles, ratio
from edgeneuro.benchmarks.quantisation_graphs import FLOAT, OURS, Variant, read_variant
from edgeneuro.runtime.backends import Backend, open_backend
from edgeneuro.spec import Feed

if TYPE_CHECKING:
    from edgeneuro.benchmarks.quantisation_cases import Case

TIMED = ("onnxruntime", "openvino")
ROUNDS = (15, 300)
"""At least and at most; in between the time budget decides."""
WARM_UP = 3
FRAMES = 8
"""Test frames taken in turn."""
Run = Callable[[int], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One variant. ms: of a frame. to_float: against the float graph on the same runtime; to_ours: against this
    project's graph there, below 1 is faster than ours. Ratios are taken within a round."""

    tool: str
    runtime: str
    ms: Quantiles
    to_float: Ratio
    to_ours: Ratio | None


@dataclass(frozen=True, kw_only=True)
class Floor:
    """What INT8 could reach. peak_gmac_s: of the fastest kernel, its name in `kernel`. floor_ms: the network's
    multiply-accumulates at that rate. ratio: our graph on ONNX Runtime / floor, medians of the same rounds."""

    peak_gmac_s: float
    kernel: str
    floor_ms: float
    ratio: float | None


@dataclass(frozen=True, kw_only=True)
class Times:
    """rounds: runtime -> rounds. load: average before, None where unknown."""

    timed: tuple[Timed, ...]
    floor: Floor
    rounds: Mapping[str, int]
    threads: int
    load: float | None


def time_case(
    case: Case, variants: Sequence[Variant], folder: Path, *, threads: int, budget_s: float, seed: int = 0
) -> Times:
    """Every variant that its runtime can open. budget_s: for each runtime."""
    load, timed, rounds = load_average(), list[Timed](), dict[str, int]()
    feeds = [case.test[row] for row in range(min(FRAMES, len(case.test)))]
    floor: Floor | None = None
    for runtime in TIMED:
        here = [variant for variant in variants if variant.runtime == runtime]
        with ExitStack() as stack:
            runs = _opened(here, folder, feeds, threads, stack)
            if FLOAT not in runs:
                continue
            tools = list(runs)
            kernels: dict[str, Kernel] = {}
            if runtime == "onnxruntime":
                kernels = open_kernels((runtime,), threads=threads, precisions=("int8",))
                for name, kernel in kernels.items():
                    stack.callback(kernel.close)
                    runs[name] = kernel.run
            rounds[runtime] = _rounds(runs, budget_s)
            times = interleave(runs, rounds=rounds[runtime], warm_up=WARM_UP, rng=np.random.default_rng(seed))
        ms = {name: steps["inference"] for name, steps in times.items()}
        timed += [_timed(name, runtime, ms) for name in tools]
        if runtime == "onnxruntime":
            floor = _floor(case.model.compute.macs, ms, kernels)
    assert floor is not None, "ONNX Runtime always runs the float graph"
    return Times(timed=tuple(timed), floor=floor, rounds=rounds, threads=threads, load=load)


def _opened(
    variants: Sequence[Variant], folder: Path, feeds: Sequence[Feed], threads: int, stack: ExitStack
) -> dict[str, Run]:
    """Tool -> candidate; what the runtime refuses has been reported by the checks, and is left out."""
    from edgeneuro.errors import BackendError

    runs: dict[str, Run] = {}
    for variant in variants:
        try:
            backend = open_backend(variant.runtime, read_variant(folder, variant), threads=threads)
            backend.run(feeds[0])
        except BackendError:
            continue
        runs[variant.tool] = _candidate(stack.enter_context(closing(backend)), feeds)
    return runs


def _candidate(backend: Backend, feeds: Sequence[Feed]) -> Run:
    def run(number: int) -> Mapping[str, float]:
        started = time.perf_counter()
        backend.run(feeds[number % len(feeds)])
        return {"inference": 1e3 * (time.perf_counter() - started)}

    return run


def _rounds(runs: Mapping[str, Run], budget_s: float) -> int:
    for run in runs.values():
        run(0)
    started = time.perf_counter()
    for run in runs.values():
        run(0)
    return int(np.clip(budget_s / (time.perf_counter() - started), *ROUNDS))


def _timed(tool: str, runtime: str, ms: Mapping[str, Floats]) -> Timed:
    ours = ratio(ms[tool], ms[OURS]) if OURS in ms and tool not in (OURS, FLOAT) else None
    return Timed(tool=tool, runtime=runtime, ms=quantiles(ms[tool]), to_float=ratio(ms[tool], ms[FLOAT]), to_ours=ours)


def _floor(macs: int, ms: Mapping[str, Floats], kernels: Mapping[str, Kernel]) -> Floor:
    (peak,) = best_peaks(kernels, ms)
    floor_ms = macs / peak.gmac_s / 1e6
    reached = float(np.median(ms[OURS])) / floor_ms if OURS in ms else None
    return Floor(peak_gmac_s=peak.gmac_s, kernel=peak.kernel, floor_ms=floor_ms, ratio=reached)
