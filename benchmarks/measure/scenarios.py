"""MLPerf Inference's single-stream, multi-stream and offline, run on all rows in turn.

Source: MLPerf Inference rules, sections "Scenarios" and appendix "Early Stopping Criterion"
(mlcommons/inference_policies 848b9ab3), and loadgen/mlperf.conf of v5.1 (mlcommons/inference 001712e9). What differs here,
and why: docs/benchmark-protocol.md.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.document import Scenario, ScenarioResult
from edgeneuro.benchmarks.measure.early_stopping import least_queries
from edgeneuro.benchmarks.measure.quantiles import latency
from edgeneuro.benchmarks.protocol import Candidate, Floats, Track, interleave
from edgeneuro.errors import UsageError
from edgeneuro.spec import Feed

TAILS: Mapping[Scenario, tuple[int, float]] = {"single-stream": (1, 90.0), "multi-stream": (8, 99.0)}
"""Scenario -> frames a query, percentile of the query's latency."""
OFFLINE_FRAMES = 24_576
"""What MLPerf's one offline query holds at least (of a data set with as many)."""
WAVES = 16
"""Frames a stream in each block of offline: waiting for a block's last frames costs no more than a sixteenth of it."""
WARM_UP = 2
"""Queries, or blocks, before the clock; rows have been warmed up until stable before they come here."""


@dataclass(frozen=True, kw_only=True)
class Runner:
    """One row. streams: requests in flight at most. run: returns when every frame of the sequence is answered."""

    streams: int
    run: Callable[[Sequence[Feed]], None]


def run_scenario(
    scenario: Scenario,
    runners: Mapping[str, Runner],
    feeds: Sequence[Feed],
    *,
    queries: int,
    budget_s: float,
    rng: np.random.Generator,
    track: Track,
) -> dict[str, ScenarioResult]:
    """Row -> result. The rows take turns, in an order drawn anew, all with the same frames drawn from `feeds` with
    replacement, and each asks again when the last query is answered.

    queries: asked of every row; for offline, frames. These are divided into blocks, so that all rows share the machine's
    moods. budget_s: no further round of queries starts after it. Raises UsageError for no runner, feed or query.
    """
    if not runners or not feeds or queries < 1:
        raise UsageError(
            f"{scenario}: got {len(runners)} rows, {len(feeds)} frames and {queries} queries, expected at least one of each"
        )
    if scenario == "offline":
        samples = min(queries, WAVES * max(runner.streams for runner in runners.values()))
        rounds = math.ceil(queries / samples)
    else:
        samples, rounds = TAILS[scenario][0], queries
    picks = rng.integers(len(feeds), size=(rounds, samples))
    times = interleave(
        {name: _candidate(runner, feeds, picks) for name, runner in runners.items()},
        rounds=rounds,
        warm_up=WARM_UP,
        rng=rng,
        track=track,
        budget_s=budget_s,
    )
    return {
        name: _result(scenario, runners[name].streams, samples, rounds, taken["ms"]) for name, taken in times.items()
    }


def _candidate(runner: Runner, feeds: Sequence[Feed], picks: NDArray[np.int64]) -> Candidate:
    def query(number: int) -> Mapping[str, float]:
        frames = [feeds[i] for i in picks[number]]
        started = time.perf_counter()
        runner.run(frames)
        return {"ms": 1e3 * (time.perf_counter() - started)}

    return query


def _result(scenario: Scenario, streams: int, samples: int, rounds: int, ms: Floats) -> ScenarioResult:
    missing = _missing(scenario, samples, len(ms))
    if missing and len(ms) < rounds:
        missing += f"; the time budget ended it after {ms.sum() / 1e3:.1f} s of this row"
    return ScenarioResult(
        scenario=scenario,
        samples=samples,
        queries=len(ms),
        streams=streams,
        latency=None if scenario == "offline" else latency(ms),
        throughput=1e3 * samples * len(ms) / float(ms.sum()),
        conforms=not missing,
        missing=missing,
    )


def _missing(scenario: Scenario, samples: int, queries: int) -> str:
    """What MLPerf's count would take, "" where it is reached."""
    if scenario == "offline":
        if samples * queries >= OFFLINE_FRAMES:
            return ""
        return f"{samples * queries:,} frames; MLPerf asks for {OFFLINE_FRAMES:,}"
    _, percentile = TAILS[scenario]
    least = least_queries(percentile)
    if queries >= least:
        return ""
    return f"{queries:,} queries; MLPerf's early stopping asks for {least:,} to claim p{percentile:g}"
