"""What an engine costs on this machine: operations, bytes, and time a frame, float and INT8 in the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from edgeneuro.benchmarks.protocol import Quantiles, Ratio, Track, interleave, load_average, quantiles, ratio
from edgeneuro.benchmarks.results import machine
from edgeneuro.data.sample import DataSet
from edgeneuro.errors import DataError
from edgeneuro.manifest import Compute, Graph, Manifest
from edgeneuro.records import to_json
from edgeneuro.runtime import Engine, open_engine, read_bundle
from edgeneuro.spec import Frame

SCHEMA = 1
DUAL_MODEL = "myositis-dual"
DUAL_MACS = 34_856_764_416
"""Multiply-accumulates of DualVGG on 224 x 224 x 3: VGG16 and VGG19 convolutions, 15,346,630,656 + 19,508,428,800, and
the head 1024-1024-512-256-4, 1,704,960 (Ucar 2022, doi 10.1016/j.bspc.2021.103277, counted from its layers)."""
DUAL_INPUT = "224 x 224"
CLAIMED_SHARE = 0.0025
"""Of the dual-branch network's computation, as Tan 2024 (doi 10.7507/1001-5515.202301023) states for its light one."""
SYNTHETIC_FRAMES = 16
SYNTHETIC_SHAPE = (480, 640)


@dataclass(frozen=True, kw_only=True)
class GraphReport:
    """ms: "preprocess", "inference", "postprocess" and "total" of one frame. bytes: of the member in the bundle.
    inference_ratio, total_ratio: to the FP32 graph of the same engine, None for that graph itself."""

    graph: Graph
    bytes: int
    ms: Mapping[str, Quantiles]
    inference_ratio: Ratio | None
    total_ratio: Ratio | None


@dataclass(frozen=True, kw_only=True)
class EngineReport:
    """input: "1 x 224 x 224", channels x height x width. bytes: of the whole file. dual_share: MACs as a share of the
    dual-branch network's."""

    name: str
    model: str
    input: str
    bytes: int
    members: Mapping[str, int]
    compute: Compute
    dual_share: float
    graphs: tuple[GraphReport, ...]
    flags: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The document of `benchmark --json`, but for `schema`. dual_source: where dual_macs is from."""

    date: str
    machine: Mapping[str, Any]
    load_average: float | None
    threads: int | None
    rounds: int
    warm_up: int
    seed: int
    frames: str
    dual_macs: int
    dual_source: str
    engines: tuple[EngineReport, ...]

    def document(self) -> dict[str, Any]:
        """JSON, as docs/schemas/benchmark.schema.json describes it."""
        return {"schema": SCHEMA, "claimed_share": CLAIMED_SHARE, **to_json(self)}


def benchmark(
    paths: Sequence[Path],
    dataset: DataSet | None = None,
    *,
    rounds: int = 200,
    warm_up: int = 20,
    threads: int | None = None,
    seed: int = 0,
    track: Track = iter,
) -> Benchmark:
    """Time every graph of every engine on the same frames, interleaved in one run.

    dataset: where frames come from, decoded before the clock starts; None makes synthetic ones. threads: of each
    engine, None leaves it to the backend. Raises what opening an engine raises, DataError for an empty data set.
    """
    frames, described = _frames(dataset, seed)
    load = load_average()
    with ExitStack() as stack:
        opened = {path: _open_graphs(path, threads, stack) for path in paths}
        candidates = {
            f"{number}:{precision}": _timed(engine, frames)
            for number, engines in enumerate(opened.values())
            for precision, engine in engines.items()
        }
        rng = np.random.default_rng(seed)
        times = interleave(candidates, rounds=rounds, warm_up=warm_up, rng=rng, track=track)
        dual_macs, dual_source = _dual_macs(engine.manifest for graphs in opened.values() for engine in graphs.values())
        reports = tuple(
            _report(
                path,
                engines,
                {precision: times[f"{number}:{precision}"] for precision in engines},
                dual_macs,
            )
            for number, (path, engines) in enumerate(opened.items())
        )
    return Benchmark(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        machine=machine(),
        load_average=load,
        threads=threads,
        rounds=rounds,
        warm_up=warm_up,
        seed=seed,
        frames=described,
        dual_macs=dual_macs,
        dual_source=dual_source,
        engines=reports,
    )


def _open_graphs(path: Path, threads: int | None, stack: ExitStack) -> dict[str, Engine]:
    """Precision -> engine, for every precision of the bundle that this machine runs; FP32 first."""
    engines: dict[str, Engine] = {}
    manifest = read_bundle(path).manifest
    for precision in sorted({graph.precision for graph in manifest.graphs}, key=lambda name: (name != "fp32", name)):
        engine = stack.enter_context(open_engine(path, precision=precision, threads=threads))
        if engine.graph.precision == precision:  # else the float graph stands in, and is measured already
            engines[precision] = engine
    return engines


def _timed(engine: Engine, frames: Sequence[Frame]) -> Callable[[int], Mapping[str, float]]:
    def run(number: int) -> Mapping[str, float]:
        ms = engine(frames[number % len(frames)]).ms
        return {**ms, "total": sum(ms.values())}

    return run


def _report(
    path: Path, engines: Mapping[str, Engine], times: Mapping[str, Mapping[str, Any]], dual_macs: int
) -> EngineReport:
    members = {name: len(data) for name, data in read_bundle(path).members.items()}
    manifest = next(iter(engines.values())).manifest
    size = manifest.frame_preprocess
    float_times = times.get("fp32")

    def graph(precision: str) -> GraphReport:
        taken = times[precision]
        compared = None if precision == "fp32" else float_times
        return GraphReport(
            graph=engines[precision].graph,
            bytes=members[engines[precision].graph.path],
            ms={step: quantiles(values) for step, values in taken.items()},
            inference_ratio=None if compared is None else ratio(taken["inference"], compared["inference"]),
            total_ratio=None if compared is None else ratio(taken["total"], compared["total"]),
        )

    return EngineReport(
        name=path.name,
        model=manifest.model,
        input=f"{size.channels} x {size.height} x {size.width}",
        bytes=path.stat().st_size,
        members=members,
        compute=manifest.compute,
        dual_share=manifest.compute.macs / dual_macs,
        graphs=tuple(graph(precision) for precision in engines),
        flags=tuple(dict.fromkeys(flag for engine in engines.values() for flag in engine.flags)),
        notes=manifest.notes,
    )


def _dual_macs(manifests: Iterator[Manifest]) -> tuple[int, str]:
    """From an engine of the dual-branch network where one is measured too, else the stored count."""
    for manifest in manifests:
        if manifest.model == DUAL_MODEL:
            return manifest.compute.macs, f"manifest of the {DUAL_MODEL} engine measured beside it"
    return DUAL_MACS, "counted from the layers of DualVGG (Ucar 2022) at 224 x 224 x 3, not measured here"


def _frames(dataset: DataSet | None, seed: int) -> tuple[list[Frame], str]:
    """Up to 16 frames in memory, and what they are."""
    if dataset is None:
        rng = np.random.default_rng(seed)
        height, width = SYNTHETIC_SHAPE
        noise = rng.rayleigh(60.0, (SYNTHETIC_FRAMES, height, width)).clip(0, 255).astype(np.uint8)
        return list(noise), f"{SYNTHETIC_FRAMES} synthetic speckle frames of {width} x {height} px, uint8, seed {seed}"
    if not dataset.samples:
        raise DataError(f"{dataset.name}: holds no frames, expected at least one")
    picked = np.linspace(0, len(dataset) - 1, min(SYNTHETIC_FRAMES, len(dataset))).astype(int)
    frames = [dataset.read(dataset.samples[i]) for i in picked]
    sides = sorted({f"{frame.shape[1]} x {frame.shape[0]}" for frame in frames})
    return frames, f"{len(frames)} frames of {dataset.name}, evenly spaced, {', '.join(sides)} px"
