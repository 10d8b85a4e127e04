"""The clock: every row of one engine, the peaks' kernels and the control, interleaved in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeneuro.benchmarks.compute.peaks import Kernel
from edgeneuro.benchmarks.measure.open_rows import OpenRow
from edgeneuro.benchmarks.measure.stable import warm_up
from edgeneuro.benchmarks.protocol import Floats, Track, interleave

CONTROL = "control"
"""The first row once more, under another name: what its times are off the first's is noise."""
KERNEL_EVERY = 16
"""Rounds between two calls of a kernel: peaks belong to the same minutes as the rows, at a tenth of the time."""
LEAST_ROUNDS = 64
"""What MLPerf's early stopping asks for p90; a time budget does not cut below."""
WARM_UP_LEAST, WARM_UP_MOST, WARM_UP_SHARE = 20, 300, 0.25
"""Rounds, and share of the time budget that warming up may take."""
Step = Callable[[int], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class EngineTimes:
    """rows: name -> step -> (round,) ms. kernels: name -> (call,) ms. control: (round,) ms of the first row's inference, run
    once more. warm_up: rounds before. unstable: rows that had not settled by then."""

    rows: Mapping[str, Mapping[str, Floats]]
    kernels: Mapping[str, Floats]
    control: Floats
    warm_up: int
    unstable: tuple[str, ...]


def time_engine(
    rows: Sequence[OpenRow],
    kernels: Mapping[str, Kernel],
    *,
    control: str,
    queries: int,
    budget_s: float,
    rng: np.random.Generator,
    track: Track,
) -> EngineTimes:
    """queries: rounds asked for. budget_s: ends earlier, though not below LEAST_ROUNDS. control: name of the row that runs
    twice in every round."""
    steps: dict[str, Step] = {row.name: _in_a_stream(row.step) for row in rows}
    steps[CONTROL] = steps[control]
    warmed = warm_up(
        steps, rng=rng, least_rounds=WARM_UP_LEAST, limit_rounds=WARM_UP_MOST, limit_s=WARM_UP_SHARE * budget_s
    )
    candidates = {**steps, **{name: _now_and_then(_in_a_stream(kernel.run)) for name, kernel in kernels.items()}}
    times = interleave(
        candidates,
        rounds=queries,
        warm_up=0,
        rng=rng,
        track=track,
        budget_s=budget_s,
        least_rounds=min(LEAST_ROUNDS, queries),
    )
    return EngineTimes(
        rows={row.name: times[row.name] for row in rows},
        kernels={name: _taken(times[name]["inference"]) for name in kernels},
        control=times[CONTROL]["inference"],
        warm_up=warmed.rounds,
        unstable=warmed.unstable,
    )


def _in_a_stream(run: Step) -> Step:
    """A turn is two frames, of which the second counts: it finds the caches as the row's own frame before left them, and
    no thread of another library that still spins, as libraries do for a while after a call."""

    def turn(number: int) -> Mapping[str, float]:
        run(2 * number)
        return run(2 * number + 1)

    return turn


def _now_and_then(run: Step) -> Step:
    """Calls `run` in every KERNEL_EVERY-th round; NaN in the others."""
    return lambda number: run(number) if number % KERNEL_EVERY == 0 else {"inference": float("nan")}


def _taken(times: Floats) -> Floats:
    return times[~np.isnan(times)]
