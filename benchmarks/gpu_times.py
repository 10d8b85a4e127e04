"""The clock of the GPU benchmark, and the table it fills."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeneuro.benchmarks.compute.peaks import Kernel, best_peaks
from edgeneuro.benchmarks.document import Peak, Ratio, Roofline
from edgeneuro.benchmarks.gpu_floor import BANDWIDTH, floor_of, layer_precisions
from edgeneuro.benchmarks.gpu_rows import GpuRow
from edgeneuro.benchmarks.measure.quantiles import latency
from edgeneuro.benchmarks.measure.stable import warm_up
from edgeneuro.benchmarks.measure.time_engine import CONTROL, KERNEL_EVERY
from edgeneuro.benchmarks.protocol import Candidate, Floats, Track, interleave, ratio
from edgeneuro.benchmarks.rivals.material import difference
from edgeneuro.errors import UsageError
from edgeneuro.manifest import LayerCost
from edgeneuro.records import to_json
from edgeneuro.spec import Array

WARM_UP_LEAST, WARM_UP_MOST, WARM_UP_S = 20, 300, 60.0
"""Rounds, and seconds after which no further one starts."""

COLUMNS = {
    "tool": "tool",
    "precision": "precision",
    "setting": "setting",
    "batch": "batch",
    "transfers": "transfers",
    "p50": "p50, ms",
    "p90": "p90, ms",
    "p99": "p99, ms",
    "frames_s": "frames/s",
    "ratio": "time / reference, median [95 %]",
    "floor_ms": "floor, ms",
    "distance": "times its floor",
    "difference": "off FP32",
}


@dataclass(frozen=True, kw_only=True)
class Timed:
    """All of one batch size. times: name -> (round,) ms. kernels: name -> (call,) ms. control: (round,) ms of the first row,
    which ran twice in every round. differences: name -> largest difference of its outputs from the FP32 graph's on the
    processor, as a share of the largest. warm_up: rounds before. unstable: rows that had not settled by then."""

    batch: int
    rows: tuple[GpuRow, ...]
    times: Mapping[str, Floats]
    kernels: Mapping[str, Floats]
    control: Floats
    differences: Mapping[str, float]
    warm_up: int
    unstable: tuple[str, ...]


def time_rows(
    rows: Sequence[GpuRow],
    kernels: Mapping[str, Kernel],
    expected: Mapping[str, Array],
    *,
    batch: int,
    rounds: int,
    rng: np.random.Generator,
    track: Track = iter,
) -> Timed:
    """Every row once in each round, in an order drawn anew. expected: outputs of the FP32 graph for call 0.

    A turn is two calls, of which the second counts: the first fetches what other rows have displaced.
    Raises UsageError without rows, and what a row raises.
    """
    if not rows:
        raise UsageError(f"batch {batch}: nothing can run on this GPU; see the reasons above")
    turns = {row.name: _turn(row.run) for row in rows}
    turns[CONTROL] = turns[rows[0].name]
    differences = {row.name: difference(row.run(0), expected) for row in rows}
    warmed = warm_up(turns, rng=rng, least_rounds=WARM_UP_LEAST, limit_rounds=WARM_UP_MOST, limit_s=WARM_UP_S)
    peaks = {name: _now_and_then(kernel.run) for name, kernel in kernels.items()}
    times = interleave({**turns, **peaks}, rounds=rounds, warm_up=0, rng=rng, track=track)
    return Timed(
        batch=batch,
        rows=tuple(rows),
        times={row.name: times[row.name]["inference"] for row in rows},
        kernels={name: _taken(times[name]["inference"]) for name in kernels},
        control=times[CONTROL]["inference"],
        differences=differences,
        warm_up=warmed.rounds,
        unstable=warmed.unstable,
    )


def _turn(run: Callable[[int], object]) -> Candidate:
    def turn(number: int) -> Mapping[str, float]:
        run(2 * number)
        started = time.perf_counter()
        run(2 * number + 1)
        return {"inference": 1e3 * (time.perf_counter() - started)}

    return turn


def _now_and_then(run: Candidate) -> Candidate:
    """Peaks belong to the same minutes as the rows, at a fraction of the time; NaN in the other rounds."""
    return lambda number: run(number) if number % KERNEL_EVERY == 0 else {"inference": float("nan")}


def _taken(times: Floats) -> Floats:
    return times[~np.isnan(times)]


def peaks_of(timed: Timed, kernels: Mapping[str, Kernel]) -> tuple[tuple[Peak, ...], float | None]:
    """The fastest product of each precision, and GB/s of the copy; none where nothing was measured."""
    products = {name: kernel for name, kernel in kernels.items() if kernel.macs}
    if BANDWIDTH not in kernels:
        return best_peaks(products, timed.kernels), None
    gb_s = kernels[BANDWIDTH].bytes / float(np.median(timed.kernels[BANDWIDTH])) / 1e6
    return best_peaks(products, timed.kernels), gb_s


def reference_of(timed: Timed, row: GpuRow) -> GpuRow | None:
    """What `row` is compared with: the first in FP32 whose inputs come the same way; None for that one itself."""
    alike = [one for one in timed.rows if (one.precision, one.transfers) == ("fp32", row.transfers)]
    return None if not alike or alike[0] is row else alike[0]


def table_rows(
    timed: Timed, kernels: Mapping[str, Kernel], costs: Sequence[LayerCost], placed: Sequence[str]
) -> list[dict[str, Any]]:
    """One row of the result each. costs: of one frame. placed: the plan's nodes in INT8."""
    peaks, gb_s = peaks_of(timed, kernels)
    found = []
    for row in timed.rows:
        reference = reference_of(timed, row)
        compared = None if reference is None else ratio(timed.times[row.name], timed.times[reference.name])
        floor = None
        if gb_s is not None:
            floor = floor_of(
                costs,
                layer_precisions(costs, row.precision, placed),
                timed.batch,
                peaks=peaks,
                bandwidth_gb_s=gb_s,
                measured_ms=float(np.median(timed.times[row.name])),
            )
        found.append(table_row(timed, row, compared, floor))
    return found


def table_row(timed: Timed, row: GpuRow, compared: Ratio | None, floor: Roofline | None) -> dict[str, Any]:
    """Times in ms; frames/s from the mean."""
    found = latency(timed.times[row.name])
    return {
        "tool": row.tool,
        "precision": row.precision,
        "setting": row.setting,
        "batch": timed.batch,
        "transfers": row.transfers,
        **{f"p{percentile}": found.at(percentile).ms for percentile in (50, 90, 99)},
        "frames_s": 1e3 * timed.batch / found.mean_ms,
        "ratio": _interval(compared),
        "floor_ms": None if floor is None else floor.floor_ms,
        "distance": None if floor is None else floor.distance,
        "difference": timed.differences[row.name],
        "latency": to_json(found),
        "compared": to_json(compared),
        "roofline": to_json(floor),
        "settled": row.name not in timed.unstable,
    }


def control_text(timed: Timed) -> str:
    """The first row against itself: what its interval holds is noise."""
    return f"batch {timed.batch}: {_interval(ratio(timed.control, timed.times[timed.rows[0].name]))}"


def _interval(compared: Ratio | None) -> str | None:
    return None if compared is None else f"{compared.p50:.3f} [{compared.low:.3f}, {compared.high:.3f}]"
