"""What the engine adds to a bare call of the library on the same graph, on every installed backend.

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
from edgeneuro.runtime import Engine, open_engine, read_bundle
from edgeneuro.runtime.backends import BACKENDS, unavailable
from edgeneuro.runtime.choose import graphs_on
from edgeneuro.runtime.cpu import cpu_features
from edgeneuro.spec import Feed

BUDGET_SHARE, BUDGET_US = 0.05, 20.0
OWN = "own session"
"""The bare call on what the engine itself has loaded."""
FRESH = "fresh session"
"""The bare call on a session opened as a short script would."""


def timed(call: Callable[[], object]) -> Callable[[int], Mapping[str, float]]:
    """A candidate for `interleave`: one call, microseconds."""

    def run(_: int) -> Mapping[str, float]:
        started = time.perf_counter_ns()
        call()
        return {"us": (time.perf_counter_ns() - started) / 1e3}

    return run


def bare_calls(engine: Engine, graph: bytes, feed: Feed, *, threads: int) -> dict[str, Callable[[], object]]:
    """The library by itself, in its fastest documented form. OpenVINO has no fresh one: compiling a graph that no child
    process has compiled in the same way may end this one."""
    from edgeneuro.runtime.backends.ort import OrtBackend

    if isinstance(engine.backend, OrtBackend):
        return _ort_calls(engine.backend, graph, feed, threads)
    from edgeneuro.runtime.backends.openvino import OpenVinoBackend

    assert isinstance(engine.backend, OpenVinoBackend)
    request = engine.backend.compiled.create_infer_request()
    return {OWN: lambda: request.infer(feed, share_inputs=True, share_outputs=True)}


def _ort_calls(backend: Any, graph: bytes, feed: Feed, threads: int) -> dict[str, Callable[[], object]]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    fresh = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    own, names = backend.session, [spec.name for spec in backend.outputs]
    return {OWN: lambda: own.run(names, feed), FRESH: lambda: fresh.run(names, feed)}


def measure(engine: Engine, graph: bytes, *, threads: int, rounds: int, seed: int) -> dict[str, Floats]:
    """Microseconds a call, (round,): "engine", and each of `bare_calls`."""
    rng = np.random.default_rng(seed)
    spec = engine.manifest.inputs[0]
    feed = {spec.name: rng.random((1, *spec.shape[1:]), np.float32)}
    calls = {"engine": lambda: engine.infer(feed), **bare_calls(engine, graph, feed, threads=threads)}
    candidates = {name: timed(call) for name, call in calls.items()}
    times = interleave(candidates, rounds=rounds, warm_up=max(20, rounds // 10), rng=rng)
    return {name: steps["us"] for name, steps in times.items()}


def row_of(engine: Engine, times: Mapping[str, Floats], reference: str) -> dict[str, Any]:
    """Differences are taken round by round; their median is less noisy than a difference of medians."""
    added = times["engine"] - times[reference]
    share = float(np.median(added / times[reference]))
    added_us = float(np.median(added))
    return {
        "graph": engine.graph.path,
        "backend": engine.graph.backend,
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
    """Time every precision of the engine on every installed backend and write the result."""
    load, rows = load_average(), []
    bundle = read_bundle(engine)
    for backend in (name for name in BACKENDS if not unavailable(name)):
        runnable = [graph for graph in graphs_on(bundle.manifest, backend) if not set(graph.requires) - cpu_features()]
        for precision in dict.fromkeys(graph.precision for graph in runnable):
            with open_engine(engine, precision=precision, backend=backend, threads=threads) as opened:
                graph = bundle.members[opened.graph.path]
                times = measure(opened, graph, threads=threads, rounds=rounds, seed=seed)
                rows += [row_of(opened, times, reference) for reference in times if reference != "engine"]
    columns = {
        "graph": "graph",
        "backend": "backend",
        "precision": "precision",
        "reference": "bare call on",
        "bare_us": "bare, µs",
    }
    columns |= {"engine_us": "engine.infer, µs", "added_us": "added, µs", "added_us_p10": "p10", "added_us_p90": "p90"}
    columns |= {"added_percent": "added, %", "within": f"at most {BUDGET_SHARE:.0%} or {BUDGET_US:g} µs"}
    shape = bundle.manifest.inputs[0].shape[1:]
    write_result(
        "runtime_overhead",
        title="What the engine adds to a bare call of the library",
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
                "Bare on onnxruntime: session.run with the names of the outputs.",
                "Bare on openvino: one request, share_inputs and share_outputs; the next call overwrites its outputs.",
            ],
        },
    )
    for row in rows:
        print(
            f"{row['graph']} on {row['backend']} over {row['reference']}: "
            f"{row['added_us']:+.1f} µs, {row['added_percent']:+.2f} %"
        )


if __name__ == "__main__":
    typer.run(main)
