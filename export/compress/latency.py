"""How long one inference takes through a bundle, beside the base network's bundle in the same rounds."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from edgeneuro.manifest import Precision
from edgeneuro.runtime import open_engine
from edgeneuro.runtime.auto import AUTO
from edgeneuro.runtime.engine import Engine
from edgeneuro.spec import Feed

Floats = NDArray[np.float64]

BUDGET_S = 4.0
"""Of all counted rounds together; no round is begun after it."""
LEAST_ROUNDS = 5
TURN_S = 0.04
"""Of one engine in one round."""
LEAST_CALLS = 3
SETTLING_CALLS = 2
"""At the start of each turn, not counted: they meet the caches and the spinning threads of whoever was on before."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """ms: median, 10th and 90th percentile of single inferences. backend, precision: of the graph that was fastest here.
    ratio: to the bundle beside it, median over the rounds; 1 where there was none."""

    ms: tuple[float, float, float]
    backend: str
    precision: Precision
    ratio: float


def bundle_latency(path: Path, *, threads: int, beside: Path | None = None) -> Latency:
    """Of the graph that `open_engine(path, backend="auto")` takes, on noise.

    beside: another bundle, timed in turns with the first, since the speed of a machine varies by tens of percent within
    minutes: their ratio holds where the milliseconds do not. The order is drawn anew for each round, and one round is run
    before and not counted. Raises what open_engine raises.
    """
    with ExitStack() as stack:
        paths = {"own": path} | ({"beside": beside} if beside is not None else {})
        engines = {
            name: stack.enter_context(open_engine(where, backend=AUTO, threads=threads, allow_unsigned=True))
            for name, where in paths.items()
        }
        times = _interleaved(engines)
        median, low, high = np.percentile(np.concatenate(times["own"]), (50, 10, 90))
        other = times.get("beside", times["own"])
        ratios = [np.median(mine) / np.median(theirs) for mine, theirs in zip(times["own"], other, strict=True)]
        graph = engines["own"].graph
        return Latency(
            ms=(float(median), float(low), float(high)),
            backend=graph.backend,
            precision=graph.precision,
            ratio=float(np.median(ratios)),
        )


def _interleaved(engines: Mapping[str, Engine]) -> dict[str, list[Floats]]:
    """Name -> for each round the milliseconds of single inferences."""
    rng = np.random.default_rng(0)
    feeds = {name: _noise(engine, rng) for name, engine in engines.items()}
    names = list(engines)
    rounds: list[dict[str, Floats]] = []
    for name in names:
        _turn(engines[name], feeds[name])
    started = perf_counter()
    while len(rounds) < LEAST_ROUNDS or perf_counter() - started < BUDGET_S:
        order = [names[i] for i in rng.permutation(len(names))]
        rounds.append({name: _turn(engines[name], feeds[name]) for name in order})
    return {name: [taken[name] for taken in rounds] for name in names}


def _turn(engine: Engine, feed: Feed) -> Floats:
    for _ in range(SETTLING_CALLS):
        engine.infer(feed)
    times: list[float] = []
    started = perf_counter()
    while len(times) < LEAST_CALLS or perf_counter() - started < TURN_S:
        called = perf_counter()
        engine.infer(feed)
        times.append(1e3 * (perf_counter() - called))
    return np.array(times)


def _noise(engine: Engine, rng: np.random.Generator) -> Feed:
    """One sample for every input; a network without branches takes as long for it as for a frame."""
    return {
        spec.name: rng.standard_normal([max(size, 1) for size in spec.shape]).astype(spec.dtype)
        for spec in engine.manifest.inputs
    }
