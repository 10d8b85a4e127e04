"""Operations saved against time saved: a network and what was made of it, on every processor backend, interleaved in one run.

    python -m edgeneuro.benchmarks.fewer_times BEFORE.edge AFTER.edge... [--seconds 60]

Writes docs/results/fewer_times.json and .md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from edgeneuro.benchmarks.measure.quantiles import nearest_rank
from edgeneuro.benchmarks.protocol import Floats, interleave, load_average, ratio
from edgeneuro.benchmarks.results import write_result
from edgeneuro.runtime import Engine, open_engine, read_bundle
from edgeneuro.runtime.backends import BACKENDS, unavailable
from edgeneuro.runtime.choose import graphs_on
from edgeneuro.runtime.cpu import cpu_features

TURN_S = 0.01
"""Of calls before the one that counts: a graph needs some until the caches hold its weights again."""
LEAST_ROUNDS = 64


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One graph of one bundle. key: what it is called among the times."""

    key: str
    network: str
    engine: Engine


def opened(path: Path, stack: ExitStack, threads: int) -> list[Timed]:
    """Every precision of the bundle on every processor backend that runs here."""
    manifest = read_bundle(path).manifest
    rows = []
    for backend in (name for name, kind in BACKENDS.items() if not kind.gpu and not unavailable(name)):
        graphs = [graph for graph in graphs_on(manifest, backend) if not set(graph.requires) - cpu_features()]
        for precision in dict.fromkeys(graph.precision for graph in graphs):
            engine = stack.enter_context(open_engine(path, precision=precision, backend=backend, threads=threads))
            key = f"{path.stem}, {precision} on {backend}"
            rows.append(Timed(key=key, network=path.stem, engine=engine))
    return rows


def turn(engine: Engine, rng: np.random.Generator) -> Callable[[int], Mapping[str, float]]:
    """A candidate for `interleave`: ms of one inference on a random input, after TURN_S of the same."""
    feed = {spec.name: rng.random((1, *spec.shape[1:]), np.float32) for spec in engine.manifest.inputs}

    def run(_: int) -> Mapping[str, float]:
        began = time.perf_counter()
        while time.perf_counter() - began < TURN_S:
            engine.infer(feed)
        started = time.perf_counter()
        engine.infer(feed)
        return {"ms": 1e3 * (time.perf_counter() - started)}

    return run


def row_of(one: Timed, times: Mapping[str, Floats], before: Timed) -> dict[str, Any]:
    """before: the same precision and backend of the first bundle."""
    ms, macs = times[one.key], one.engine.manifest.compute.macs
    against = ratio(ms, times[before.key])
    base = before.engine.manifest.compute.macs
    return {
        "network": one.network,
        "backend": one.engine.graph.backend,
        "precision": one.engine.graph.precision,
        "macs_m": round(macs / 1e6, 2),
        "params": one.engine.manifest.compute.params,
        "ms": round(nearest_rank(ms, 50.0), 4),
        "p10": round(nearest_rank(ms, 10.0), 4),
        "macs_share": round(macs / base, 3),
        "time_share": f"{against.p50:.3f} [{against.low:.3f}, {against.high:.3f}]",
        "gmacs_s": round(macs / 1e6 / nearest_rank(ms, 50.0), 1),
        "int8_convolutions": one.engine.graph.int8_convolutions,
    }


def measure(paths: Sequence[Path], *, seconds: float, threads: int, seed: int) -> list[dict[str, Any]]:
    """Rows of all graphs of all bundles, timed in the same rounds for `seconds`, at least LEAST_ROUNDS."""
    rng = np.random.default_rng(seed)
    with ExitStack() as stack:
        rows = [row for path in paths for row in opened(path, stack, threads)]
        turns = {row.key: turn(row.engine, rng) for row in rows}
        times = interleave(turns, rounds=10**6, warm_up=5, rng=rng, budget_s=seconds, least_rounds=LEAST_ROUNDS)
        taken = {key: steps["ms"] for key, steps in times.items()}
        return [{**row_of(row, taken, _before(row, rows)), "rounds": len(taken[row.key])} for row in rows]


def main(
    engines: Annotated[list[Path], typer.Argument(help="The network before, then what was made of it.")],
    seconds: Annotated[float, typer.Option(help="Of rounds that count.")] = 60.0,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Of the input and of the order within a round.")] = 0,
) -> None:
    """Time all graphs of all bundles in the same rounds and write the result."""
    load = load_average()
    table = measure(engines, seconds=seconds, threads=threads, seed=seed)
    columns = {"network": "network", "backend": "backend", "precision": "precision", "macs_m": "MMACs"}
    columns |= {"ms": "ms, median", "p10": "p10", "gmacs_s": "GMACs/s", "macs_share": "operations, of the first's"}
    columns |= {"time_share": "time, of the first's, same rounds"}
    names = " ".join(path.name for path in engines)
    write_result(
        "fewer_times",
        title="Operations saved against time saved",
        rows=table,
        columns=columns,
        context={
            "script": f"python -m edgeneuro.benchmarks.fewer_times {names} --seconds {seconds:g} --threads {threads}",
            "data": f"one random input a graph, seed {seed}",
            "threads": threads,
            "load average before": load,
            "made of": {path.stem: _made_of(path) for path in engines},
        },
    )
    for row in table:
        print(row["network"], row["backend"], row["precision"], row["ms"], row["time_share"])


def _before(row: Timed, rows: Sequence[Timed]) -> Timed:
    """The first bundle's graph of the same kind."""
    graph = row.engine.graph
    kind = (graph.backend, graph.precision)
    return next(one for one in rows if (one.engine.graph.backend, one.engine.graph.precision) == kind)


def _made_of(path: Path) -> str:
    manifest = read_bundle(path).manifest
    size = " x ".join(str(side) for side in manifest.inputs[0].shape[1:])
    return f"{manifest.model}, input {size}, {manifest.compute.params:,} parameters"


if __name__ == "__main__":
    typer.run(main)
