"""The clock: every row of one engine, the peaks' kernels and the control, interleaved in one run.

Inference is timed on prepared tensors, as MLPerf Inference does, for rivals and engines alike; whole frames of engines have
turns of their own, since preprocessing displaces what inference has in the caches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeneuro.benchmarks.compute.peaks import Kernel
from edgeneuro.benchmarks.measure.open_rows import OpenRow
from edgeneuro.benchmarks.measure.stable import warm_up
from edgeneuro.benchmarks.protocol import Floats, Track, interleave
from edgeneuro.spec import Feed

CONTROL = "control"
"""The first row once more, under another name: what its times are off the first's is noise."""
KERNEL_EVERY = 16
"""Rounds between two calls of a kernel: peaks belong to the same minutes as the rows, at a tenth of the time."""
LEAST_ROUNDS = 64
"""What MLPerf's early stopping asks for p90; a time budget does not cut below."""
SETTLE_MS, SETTLE_THREADS_MS = 10.0, 40.0
"""Of untimed frames before the timed one, with one thread and with more. A row needs several until the caches hold its
weights again (ResNet-18 in INT8: 3.2 ms for the first frame after another row's, 2.4 from the fifth on). Several threads need
longer, until the system has put each on a core of its own and those of the library that was on before spin no more (STANet
in INT8 on two cores: 0.8 ms for the first twenty to forty frames, then 0.6)."""
WARM_UP_LEAST, WARM_UP_MOST, WARM_UP_SHARE = 20, 300, 0.25
"""Rounds, and share of the time budget that warming up may take."""
Step = Callable[[int], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class EngineTimes:
    """rows: name -> step -> (round,) ms; "inference" on prepared tensors, the other steps and "total" of whole frames.
    kernels: name -> (call,) ms. control: (round,) ms of the inference that ran twice. warm_up: rounds before. unstable: rows
    that had not settled by then."""

    rows: Mapping[str, Mapping[str, Floats]]
    kernels: Mapping[str, Floats]
    control: Floats
    warm_up: int
    unstable: tuple[str, ...]


def time_engine(
    rows: Sequence[OpenRow],
    feeds: Sequence[Feed],
    kernels: Mapping[str, Kernel],
    *,
    control: str,
    threads: int | None,
    queries: int,
    budget_s: float,
    rng: np.random.Generator,
    track: Track,
) -> EngineTimes:
    """feeds: frames as prepared tensors. control: name of the row whose inference runs twice in every round. threads: of each
    row, None for the backend's own choice. queries: rounds asked for. budget_s: ends earlier, though not below LEAST_ROUNDS."""
    settle_ms = SETTLE_MS if threads == 1 else SETTLE_THREADS_MS
    turns = {row.name: _in_a_stream(_inference(row, feeds), settle_ms) for row in rows}
    turns[CONTROL] = turns[control]
    frames = {_frame(row): _in_a_stream(row.frame, settle_ms) for row in rows if row.frame is not None}
    warmed = warm_up(
        {**turns, **{name: _total(turn) for name, turn in frames.items()}},
        rng=rng,
        least_rounds=WARM_UP_LEAST,
        limit_rounds=WARM_UP_MOST,
        limit_s=WARM_UP_SHARE * budget_s,
    )
    peaks = {name: _now_and_then(_in_a_stream(kernel.run, settle_ms)) for name, kernel in kernels.items()}
    times = interleave(
        {**turns, **frames, **peaks},
        rounds=queries,
        warm_up=0,
        rng=rng,
        track=track,
        budget_s=budget_s,
        least_rounds=min(LEAST_ROUNDS, queries),
    )
    return EngineTimes(
        rows={row.name: {**times.get(_frame(row), {}), **times[row.name]} for row in rows},
        kernels={name: _taken(times[name]["inference"]) for name in kernels},
        control=times[CONTROL]["inference"],
        warm_up=warmed.rounds,
        unstable=warmed.unstable,
    )


def _frame(row: OpenRow) -> str:
    return f"{row.name}, whole frame"


def _total(turn: Step) -> Step:
    """Of a frame's steps some take microseconds, which differ by more than any rule of stability allows."""
    return lambda number: {"total": turn(number)["total"]}


def _inference(row: OpenRow, feeds: Sequence[Feed]) -> Step:
    def run(number: int) -> Mapping[str, float]:
        feed = feeds[number % len(feeds)]
        started = time.perf_counter()
        row.infer(feed)
        return {"inference": 1e3 * (time.perf_counter() - started)}

    return run


def _in_a_stream(run: Step, settle_ms: float) -> Step:
    """A turn: untimed frames for `settle_ms`, at least one, then the one that counts, as in a stream of the row's own."""

    def turn(number: int) -> Mapping[str, float]:
        started = time.perf_counter()
        frame = 2 * number
        run(frame)
        while 1e3 * (time.perf_counter() - started) < settle_ms:
            run(frame)
        return run(frame + 1)

    return turn


def _now_and_then(run: Step) -> Step:
    """Calls `run` in every KERNEL_EVERY-th round; NaN in the others."""
    return lambda number: run(number) if number % KERNEL_EVERY == 0 else {"inference": float("nan")}


def _taken(times: Floats) -> Floats:
    return times[~np.isnan(times)]
