"""What zeros in the weights do for speed and bytes on processors: nothing for speed, something for a compressed file.

    python -m edgeneuro.benchmarks.prune_masks [CKPT|MODEL] [--rounds 400] [--budget 60]

Writes docs/results/prune_masks.json and .md. Nothing is trained: how fast a network is does not depend on whether it is
right. TensorRT, whose sparse kernels want the 2:4 pattern, runs on none of these processors; docs/sparsity.md.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from edgeneuro.benchmarks.protocol import Candidate, Floats, interleave, load_average, ratio
from edgeneuro.benchmarks.results import write_result
from edgeneuro.benchmarks.runtime_overhead import timed
from edgeneuro.runtime.backends import open_backend, unavailable

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from edgeneuro.export.forms import Form
    from edgeneuro.training.checkpoint import CheckpointConfig

DENSE = "dense"
WAYS: Mapping[str, Mapping[str, Any]] = {
    DENSE: {},
    "50 % anywhere": {"sparsity": 0.5},
    "90 % anywhere": {"sparsity": 0.9},
    "2:4": {"pattern": "2:4"},
}
"""Name -> of MaskSettings, nothing for the weights as they are."""
BACKENDS = ("onnxruntime", "openvino")
CALIBRATION_FRAMES = 4
LEAST_ROUNDS = 10
COLUMNS = {
    "backend": "backend",
    "precision": "precision",
    "weights": "weights",
    "zeros_percent": "zeros in masked layers, %",
    "median_ms": "median, ms",
    "ratio": "time / dense",
    "low": "95 % from",
    "high": "to",
    "bytes": "ONNX, bytes",
    "zipped_bytes": "deflated, bytes",
    "zipped_ratio": "deflated / dense",
}


Run = Callable[[Mapping[str, Candidate]], dict[str, dict[str, Floats]]]
"""`interleave` with everything but the candidates."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to thin the weights. graph: float. zeros: share of zeros in the masked layers."""

    graph: onnx.ModelProto
    zeros: float


def variants(
    network: nn.Module, config: CheckpointConfig, ways: Mapping[str, Mapping[str, Any]] = WAYS
) -> dict[str, Variant]:
    """`network` with masks by magnitude, as `ways` wants them."""
    import torch

    from edgeneuro.export.onnx_export import export_onnx
    from edgeneuro.export.prune.masking import choose_layers, hold, release, shares_of_zeros
    from edgeneuro.export.prune.masks import MaskSettings, make_masks

    size = config.frame_preprocess
    example = torch.zeros(2, config.frame_preprocess.channels, size.height, size.width)
    found = {}
    for name, way in ways.items():
        thinned, zeros = deepcopy(network), 0.0
        if way:
            settings = MaskSettings(**way)
            layers, _ = choose_layers(thinned, example, fours=settings.pattern is not None)
            masks = make_masks(thinned, layers, settings, example)
            release(hold(thinned, masks), masks)
            sizes = {layer: mask.numel() for layer, mask in masks.items()}
            shares, _ = shares_of_zeros(thinned, masks)
            zeros = sum(shares[layer] * sizes[layer] for layer in sizes) / sum(sizes.values())
        graph, _ = export_onnx(thinned, channels=config.frame_preprocess.channels, height=size.height, width=size.width)
        found[name] = Variant(graph=graph, zeros=zeros)
    return found


def in_int8(graph: onnx.ModelProto, form: Form, frames: Floats) -> onnx.ModelProto:
    """Every layer that `form` has kernels for in INT8, whether faster or not. frames: for the ranges, of noise."""
    from edgeneuro.export.lower import lower
    from edgeneuro.export.make_plan import calibrated_plan
    from edgeneuro.export.placement_rules import placement_by_rule
    from edgeneuro.export.plan import with_placement

    name = graph.graph.input[0].name
    plan = calibrated_plan(graph, [{name: frame[None].astype(np.float32)} for frame in frames])
    return lower(graph, with_placement(plan, form.target, placement_by_rule(graph, form)[0]), form)


def times(graphs: Mapping[str, bytes], backend: str, *, threads: int, run: Run) -> dict[str, Floats]:
    """Milliseconds, (round,), of every graph."""
    opened = {name: open_backend(backend, graph, threads=threads) for name, graph in graphs.items()}
    try:
        spec = next(iter(opened.values())).inputs[0]
        feed = {spec.name: np.random.default_rng(0).standard_normal((1, *spec.shape[1:])).astype(np.float32)}
        candidates = {name: timed(partial(loaded.run, feed)) for name, loaded in opened.items()}
        return {name: steps["us"] / 1e3 for name, steps in run(candidates).items()}
    finally:
        for loaded in opened.values():
            loaded.close()


def rows_of(
    backend: str,
    precision: str,
    thinned: Mapping[str, Variant],
    graphs: Mapping[str, bytes],
    taken: Mapping[str, Floats],
) -> list[dict[str, Any]]:
    """One row a variant; ratios are taken round by round."""
    rows = []
    zipped = {name: len(zlib.compress(graph, 9)) for name, graph in graphs.items()}
    for name, graph in graphs.items():
        beside = ratio(taken[name], taken[DENSE])
        rows.append(
            {
                "backend": backend,
                "precision": precision,
                "weights": name,
                "zeros_percent": 100 * thinned[name].zeros,
                "median_ms": float(np.median(taken[name])),
                "ratio": beside.p50,
                "low": beside.low,
                "high": beside.high,
                "bytes": len(graph),
                "zipped_bytes": zipped[name],
                "zipped_ratio": zipped[name] / zipped[DENSE],
            }
        )
    return rows


def forms_here() -> dict[str, Form]:
    """Installed backend -> the INT8 form of it that this machine runs."""
    from edgeneuro.export.forms import FORMS
    from edgeneuro.export.targets import runs_here

    int8 = [form for form in FORMS.values() if form.precision == "int8"]
    return {
        name: next(form for form in int8 if form.target == name and runs_here(form))
        for name in BACKENDS
        if not unavailable(name)
    }


def main(
    source: Annotated[str, typer.Argument(help="Checkpoint folder, or a model with packaged weights.")] = "myositis",
    rounds: Annotated[int, typer.Option(min=1, help="Calls of each graph, at most.")] = 400,
    budget: Annotated[float, typer.Option(help="Seconds for each backend and precision.")] = 60.0,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Of the order within a round and the frames of noise.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the result.")] = Path("docs") / "results",
) -> None:
    """Time every variant in float and INT8 on each installed backend and write the result."""
    from edgeneuro.training.checkpoint import load_model, packaged, read_config

    folder = Path(source) if Path(source).is_dir() else packaged(source)
    config, load, rng = read_config(folder), load_average(), np.random.default_rng(seed)
    size = config.frame_preprocess
    thinned = variants(load_model(folder), config)
    frames = rng.standard_normal((CALIBRATION_FRAMES, config.frame_preprocess.channels, size.height, size.width))
    run = partial(
        interleave, rounds=rounds, warm_up=max(5, rounds // 10), rng=rng, budget_s=budget, least_rounds=LEAST_ROUNDS
    )
    rows: list[dict[str, Any]] = []
    for backend, form in forms_here().items():
        for precision in ("fp32", "int8"):
            graphs = {
                name: (
                    variant.graph if precision == "fp32" else in_int8(variant.graph, form, frames)
                ).SerializeToString()
                for name, variant in thinned.items()
            }
            taken = times(graphs, backend, threads=threads, run=run)
            rows += rows_of(backend, precision, thinned, graphs, taken)
            for row in rows[-len(graphs) :]:
                print(
                    f"{backend} {precision} {row['weights']}: {row['median_ms']:.3f} ms, {row['ratio']:.3f} of dense "
                    f"({row['low']:.3f} to {row['high']:.3f}); {row['zipped_ratio']:.2f} of its deflated bytes"
                )
    write_result(
        "prune_masks",
        title="Zeros in the weights on processors",
        rows=rows,
        columns=COLUMNS,
        context={
            "script": f"python -m edgeneuro.benchmarks.prune_masks {Path(source).name} --rounds {rounds} --budget {budget:g}",
            "model": f"{config.model}, {config.frame_preprocess.channels} x {size.height} x {size.width}",
            "data": f"noise, seed {seed}",
            "threads": threads,
            "rounds": rounds,
            "load average before": load,
            "notes": [
                "Variants of one backend and precision run in the same rounds, in an order drawn anew for each.",
                "Ratios are taken within a round; the interval holds their median with 95 %.",
                "INT8: every layer that the backend has kernels for, so that all variants run the same program.",
                "Deflated: zlib at level 9; an .edge file stores its members as they are.",
            ],
        },
        folder=out,
    )


if __name__ == "__main__":
    typer.run(main)
