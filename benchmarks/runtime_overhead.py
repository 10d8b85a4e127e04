"""What the engine adds to a bare onnxruntime call on the same graph.

    python -m edgeneuro.benchmarks.runtime_overhead ENGINE.edge [--rounds 1000]

Writes docs/results/runtime_overhead.json and .md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from edgeneuro.benchmarks.protocol import Floats, interleave, load_average
from edgeneuro.benchmarks.results import write_result
from edgeneuro.manifest import Precision
from edgeneuro.runtime import Engine, open_engine, read_bundle
from edgeneuro.runtime.backends.ort import OrtBackend

BUDGET_SHARE, BUDGET_US = 0.05, 30.0


def timed(call: Callable[[], object]) -> Callable[[int], Mapping[str, float]]:
    """A candidate for `interleave`: one call, microseconds."""

    def run(_: int) -> Mapping[str, float]:
        started = time.perf_counter_ns()
        call()
        return {"us": (time.perf_counter_ns() - started) / 1e3}

    return run


def measure(engine: Engine, graph: bytes, *, threads: int, rounds: int, seed: int) -> dict[str, Floats]:
    """Microseconds a call, (round,): "engine"; "own session", the bare call on the engine's own session; "fresh
    session", the bare call on a session opened as a short script would."""
    import onnxruntime as ort

    rng = np.random.default_rng(seed)
    spec = engine.manifest.inputs[0]
    feeds = {spec.name: rng.random((1, *spec.shape[1:]), np.float32)}
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    fresh = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    assert isinstance(engine.backend, OrtBackend) and engine.backend.session is not None
    own = engine.backend.session
    candidates = {
        "engine": timed(lambda: engine.infer(feeds)),
        "own session": timed(lambda: own.run(None, feeds)),
        "fresh session": timed(lambda: fresh.run(None, feeds)),
    }
    times = interleave(candidates, rounds=rounds, warm_up=max(20, rounds // 10), rng=rng)
    return {name: steps["us"] for name, steps in times.items()}


def row_of(engine: Engine, times: Mapping[str, Floats], reference: str) -> dict[str, Any]:
    """Differences are taken round by round; their median is less noisy than a difference of medians."""
    added = times["engine"] - times[reference]
    share = float(np.median(added / times[reference]))
    added_us = float(np.median(added))
    return {
        "graph": engine.graph.path,
        "precision": engine.graph.precision,
        "reference": reference,
        "bare_us": float(np.median(times[reference])),
        "engine_us": float(np.median(times["engine"])),
        "added_us": added_us,
        "added_us_p10": float(np.percentile(added, 10)),
        "added_us_p90": float(np.percentile(added, 90)),
        "added_percent": 100 * share,
        "within": share <= BUDGET_SHARE or added_us <= BUDGET_US,
    }


def main(
    engine: Annotated[Path, typer.Argument(help="An .edge file.")],
    rounds: Annotated[int, typer.Option(min=1, help="Calls of each kind.")] = 1000,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Of the input and of the order within a round.")] = 0,
) -> None:
    """Time every precision of the engine and write the result."""
    load, rows = load_average(), []
    bundle = read_bundle(engine)
    precisions: tuple[Precision, ...] = tuple(dict.fromkeys(graph.precision for graph in bundle.manifest.graphs))
    for precision in precisions:
        with open_engine(engine, precision=precision, threads=threads) as opened:
            graph = bundle.members[opened.graph.path]
            times = measure(opened, graph, threads=threads, rounds=rounds, seed=seed)
            rows += [row_of(opened, times, reference) for reference in ("own session", "fresh session")]
    columns = {"graph": "graph", "precision": "precision", "reference": "bare call on", "bare_us": "bare, µs"}
    columns |= {"engine_us": "engine.infer, µs", "added_us": "added, µs", "added_us_p10": "p10", "added_us_p90": "p90"}
    columns |= {"added_percent": "added, %", "within": f"at most {BUDGET_SHARE:.0%} or {BUDGET_US:g} µs"}
    shape = bundle.manifest.inputs[0].shape[1:]
    write_result(
        "runtime_overhead",
        title="What the engine adds to a bare onnxruntime call",
        rows=rows,
        columns=columns,
        context={
            "script": f"python -m edgeneuro.benchmarks.runtime_overhead {engine.name} --rounds {rounds}",
            "model": bundle.manifest.model,
            "data": f"one random input of {' x '.join(map(str, shape))}, seed {seed}",
            "threads": threads,
            "rounds": rounds,
            "load average before": load,
            "notes": [
                "Medians; the calls of a round follow each other in random order, differences are taken within a round.",
                "The own session shows what the engine's code costs; a fresh session differs in memory layout as well.",
            ],
        },
    )
    for row in rows:
        print(f"{row['graph']} over {row['reference']}: {row['added_us']:+.1f} µs, {row['added_percent']:+.2f} %")


if __name__ == "__main__":
    typer.run(main)
