"""One network on an NVIDIA GPU: PyTorch eager and compiled, and every TensorRT engine, in one run beside the floor.

    python -m edgeneuro.benchmarks.gpu ENGINE.edge [--checkpoint DIR] [--batch 1 --batch 32] [--frames 1024]

Prints the table and writes docs/results/gpu.json and .md, and what TensorRT-RTX's portable engines do here to
gpu_portable.json and .md. Without a GPU it says why there is none and ends with exit code 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from edgeneuro.benchmarks import gpu_portable
from edgeneuro.benchmarks.compute.peaks import Kernel
from edgeneuro.benchmarks.gpu_floor import open_peaks
from edgeneuro.benchmarks.gpu_graphs import float_graph, plan_of, tensorrt_graphs
from edgeneuro.benchmarks.gpu_portable import Outcome, portable_outcomes
from edgeneuro.benchmarks.gpu_rows import Batches, GpuRow, check_batches, host_batches, on_gpu, tensorrt_rows
from edgeneuro.benchmarks.gpu_state import device_facts, gpu_state, refuse_pretended
from edgeneuro.benchmarks.gpu_times import COLUMNS, Timed, control_text, peaks_of, table_rows, time_rows
from edgeneuro.benchmarks.gpu_torch import torch_missing, torch_rows
from edgeneuro.benchmarks.measure.frames import Frames, frames_for
from edgeneuro.benchmarks.results import RESULTS, table, write_result
from edgeneuro.benchmarks.rivals.network import find_network
from edgeneuro.benchmarks.rivals.rival import RivalSource
from edgeneuro.errors import EdgeNeuroError
from edgeneuro.runtime import Bundle, read_bundle
from edgeneuro.runtime.backends import open_backend, unavailable
from edgeneuro.runtime.backends.cuda.api import Cuda
from edgeneuro.runtime.backends.cuda.open import gpu_missing, open_cuda
from edgeneuro.spec import Array, Feed

LEAST_FRAMES = 1024
"""Calls of every row; p99 of fewer means little."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was measured. rows: of the table. facts: for the reader. missing: what could not run -> why. controls: the first
    row against itself, a batch size each."""

    rows: tuple[dict[str, Any], ...]
    facts: Mapping[str, Any]
    missing: Mapping[str, str]
    controls: tuple[str, ...]
    unsettled: tuple[str, ...]


def measure(path: Path, cuda: Cuda, *, checkpoint: Path | None, sizes: Sequence[int], rounds: int, seed: int) -> Run:
    """Every batch size after the other, rows of one size interleaved. Raises what reading and running the engine raises."""
    bundle = read_bundle(path)
    check_batches(bundle, sizes)
    frames = frames_for(bundle, None, seed)
    rng = np.random.default_rng(seed)
    missing: dict[str, str] = {}
    kernels: dict[str, Kernel] = {}
    if why := torch_missing():
        missing["PyTorch, and with it the floor"] = why
    else:
        kernels = open_peaks()
    before, found, timed = gpu_state(), [], []
    for size in sizes:
        with ExitStack() as stack:
            feeds = host_batches(frames.feeds, size)
            batches = Batches(size=size, host=feeds, resident=on_gpu(cuda, feeds))
            rows, gone = open_rows(path, bundle, batches, checkpoint, stack)
            missing |= gone
            expected = float_outputs(bundle, feeds[0])
            done = time_rows(rows, kernels, expected, batch=size, rounds=rounds, rng=rng)
        timed.append(done)
        found += table_rows(
            done, kernels, bundle.manifest.compute.layers, plan_of(bundle).placement.get("tensorrt", ())
        )
    return Run(
        rows=tuple(found),
        facts=facts(bundle, cuda, frames, timed, kernels, before, gpu_state()),
        missing=missing,
        controls=tuple(control_text(done) for done in timed),
        unsettled=tuple(f"batch {done.batch}: {name}" for done in timed for name in done.unstable),
    )


def open_rows(
    path: Path, bundle: Bundle, batches: Batches, checkpoint: Path | None, stack: ExitStack
) -> tuple[list[GpuRow], dict[str, str]]:
    """PyTorch first, since its eager FP32 is what the others are compared with; and what -> why it is missing."""
    rows: list[GpuRow] = []
    missing: dict[str, str] = {}
    if not torch_missing():
        source = RivalSource(
            name=path.name,
            model=float_graph(bundle),
            manifest=bundle.manifest,
            calibration=batches.host,
            checkpoint=checkpoint,
        )
        rows, missing = torch_rows(find_network(source, batches.host[0]), batches)
    engines, gone = tensorrt_rows(tensorrt_graphs(bundle), batches, stack)
    return [*rows, *engines], {**missing, **gone}


def float_outputs(bundle: Bundle, feed: Feed) -> Mapping[str, Array]:
    """What the FP32 graph gives on the processor."""
    with closing(open_backend("onnxruntime", float_graph(bundle), threads=None)) as backend:
        return backend.run(feed)


def facts(
    bundle: Bundle,
    cuda: Cuda,
    frames: Frames,
    timed: Sequence[Timed],
    kernels: Mapping[str, Kernel],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> dict[str, Any]:
    """What a reader needs to judge the numbers: the device, its clocks and heat, the network, the peaks."""
    manifest = bundle.manifest
    peaks = {}
    for done in timed:
        products, gb_s = peaks_of(done, kernels)
        peaks[f"peaks beside batch {done.batch}"] = {
            **{f"{peak.kernel}, GMAC/s": peak.gmac_s for peak in products},
            "copy, GB/s": gb_s,
        }
    return {
        **device_facts(cuda.device()),
        "before": before or "NVML does not answer",
        "after": after or "NVML does not answer",
        "CUDA from Python": cuda.name,
        "model": f"{manifest.model}, {manifest.compute.params:,} parameters, {manifest.compute.macs:,} MACs a frame",
        "data": frames.described,
        "rounds": {f"batch {done.batch}": len(done.control) for done in timed},
        "warm-up rounds": {f"batch {done.batch}": done.warm_up for done in timed},
        **peaks,
    }


def notes(run: Run) -> list[str]:
    """What the columns mean, and what is missing."""
    return [
        "Wall time of one call until its outputs are in host memory. host to host: inputs are copied from page-locked host "
        + "memory too. input on the GPU: they lie in the GPU's memory already.",
        "All rows of a batch size run in every round, in an order drawn anew; a turn is two calls, of which the second "
        + "counts. Ratios are taken within a round, over PyTorch eager in FP32 with the same batch and transfers (where "
        + "PyTorch is missing, over the first row in FP32).",
        "FP32 is not one thing here: PyTorch as it comes uses TF32 in convolutions and not in products, engines are built "
        + "without TF32. The floor of FP32 takes the faster of the two peaks, so it is below what an engine can reach.",
        "Floor: multiply-accumulates at the measured peak of their precision, weights and activations moved once at the "
        + "copy's bandwidth, layer by layer, whichever takes longer. Starting a kernel, and copies to and from the host, are "
        + "not in it.",
        "off FP32: largest difference of any output from the FP32 graph's on the processor, as a share of the largest.",
        *(f"One row against itself, {text}." for text in run.controls),
        *(f"Had not settled when the warm-up ended: {name}." for name in run.unsettled),
        *(f"Missing: {what}: {why}" for what, why in run.missing.items()),
    ]


def write_gpu(run: Run, script: str, folder: Path) -> None:
    """gpu.json and .md in `folder`."""
    write_result(
        "gpu",
        title=f"One network on a GPU: {run.facts['gpu']}",
        rows=run.rows,
        columns=COLUMNS,
        context={"script": script, **run.facts, "notes": notes(run)},
        folder=folder,
    )


def write_portable(outcomes: Sequence[Outcome], device: Mapping[str, Any], script: str, folder: Path) -> None:
    """gpu_portable.json and .md in `folder`."""
    write_result(
        "gpu_portable",
        title=f"Portable engines of TensorRT-RTX on {device['gpu']}, compute capability {device['compute capability']}",
        rows=gpu_portable.rows_of(outcomes),
        columns=gpu_portable.COLUMNS,
        context={"script": script, **device},
        folder=folder,
    )


def main(
    engine: Annotated[Path, typer.Argument(help="An .edge file with TensorRT graphs.")],
    checkpoint: Annotated[Path | None, typer.Option(help="Network that PyTorch runs.  [default: packaged]")] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Frames a call.  [default: 1 and 32]")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Calls of every row.")] = LEAST_FRAMES,
    seed: Annotated[int, typer.Option(min=0, help="Of frames and of the order within a round.")] = 0,
    portable: Annotated[bool, typer.Option(help="Try TensorRT-RTX's portable engines too.")] = True,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = RESULTS,
) -> None:
    """Measure, print and write."""
    if why := gpu_missing():
        typer.echo(f"no GPU: {why}", err=True)
        raise typer.Exit(1)
    sizes = batch or [1, 32]
    script = f"python -m edgeneuro.benchmarks.gpu {engine.name} --frames {frames} " + " ".join(
        f"--batch {size}" for size in sizes
    )
    try:
        with closing(open_cuda()) as cuda:
            refuse_pretended(cuda.device())
            device = device_facts(cuda.device())
            run = measure(engine, cuda, checkpoint=checkpoint, sizes=sizes, rounds=frames, seed=seed)
        write_gpu(run, script, out)
        print(table(run.rows, COLUMNS), *notes(run), sep="\n")
        if portable and not unavailable("tensorrt-rtx"):
            outcomes = portable_outcomes(float_graph(read_bundle(engine)))
            write_portable(outcomes, device, script, out)
            print(table(gpu_portable.rows_of(outcomes), gpu_portable.COLUMNS))
    except EdgeNeuroError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from error


if __name__ == "__main__":
    typer.run(main)
