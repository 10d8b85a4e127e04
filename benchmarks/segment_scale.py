"""Voxels per second of `edgeneuro segment` against the number of workers, and of the pass for the grey levels on one core.

    python -m edgeneuro.benchmarks.segment_scale neurons3d-int8.edge [--side 384] [--workers 1 --workers 2] [--rounds 3]

The volume is a simulated one repeated to SIDE voxels along each axis (an engine for images: a stack of as many planes as --planes), 16
bits, in Zarr chunks of 64. Levels are given, so that only the mask is timed; starting the workers is not, loading the engine in each
is. Every worker computes with one thread. Numbers of workers take turns within a round, in an order drawn anew.
Writes docs/results/segment_scale.json and .md.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import typer

from edgeneuro.benchmarks.protocol import load_average
from edgeneuro.benchmarks.results import write_result
from edgeneuro.data.volumes.phantom import simulate
from edgeneuro.runtime import open_engine
from edgeneuro.runtime.segment.levels import Counts, count_digits, exact_levels
from edgeneuro.runtime.segment.run import segment_volume
from edgeneuro.runtime.segment.source import OpenSource
from edgeneuro.runtime.segment.workers import open_workers
from edgeneuro.tiled import Levels
from edgeneuro.tiles import Tiling

CHUNK = 64
"""Of the volume that is read."""


def write_volume(path: Path, shape: tuple[int, int, int], seed: int) -> None:
    """A simulated volume, repeated."""
    import zarr

    block = simulate(seed, 0, (64, 128, 128)).volume.voxels
    chunks = (CHUNK, CHUNK, CHUNK)
    array: Any = zarr.open_array(str(path), mode="w", shape=shape, chunks=chunks, dtype=block.dtype)
    for region in Tiling.beside(shape, block.shape):
        array[region] = block[tuple(slice(0, part.stop - part.start) for part in region)]


def time_levels(path: Path) -> tuple[Levels, float]:
    """The levels, and voxels per second in this process."""
    with OpenSource(path) as source:
        record = source.record()
        parts = list(Tiling.beside(record.shape, record.part))

        def count(turn: int, beginnings: tuple[int, ...]) -> Counts:
            counted: Counts = np.sum([count_digits(source.read(part), turn, beginnings) for part in parts], axis=0)
            return counted

        start = perf_counter()
        voxels = int(np.prod(record.shape))
        levels = exact_levels(count, np.dtype(record.dtype), voxels, 0.1, 99.9)
        return levels, voxels / (perf_counter() - start)


def main(
    engine: Annotated[Path, typer.Argument(help="An .edge file of a segmentation.")],
    side: Annotated[int, typer.Option(min=64, help="Voxels along each axis.")] = 384,
    planes: Annotated[int, typer.Option(min=1, help="Of the stack, for an engine for images.")] = 4,
    workers: Annotated[list[int] | None, typer.Option(help="Numbers of workers.  [default: 1 2]")] = None,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    chunk: Annotated[int | None, typer.Option(help="As of the command.")] = None,
    seed: Annotated[int, typer.Option(help="Of the volume and of the order within a round.")] = 0,
) -> None:
    """Time every number of workers and write the result."""
    counts, order = workers or [1, 2], np.random.default_rng(seed)
    rates: dict[int, list[float]] = {count: [] for count in counts}
    loads = [load_average()]
    with open_engine(engine) as opened:
        depth, graph = opened.manifest.frame_preprocess.depth, opened.graph.path
    shape = (side if depth is not None else planes, side, side)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_volume(folder / "volume.zarr", shape, seed)
        levels, per_core = time_levels(folder / "volume.zarr")
        for _ in range(rounds):
            for count in order.permutation(counts).tolist():
                with open_workers(workers=count, threads=1) as crew:
                    done = segment_volume(
                        folder / "volume.zarr",
                        engine,
                        folder / "mask.zarr",
                        crew,
                        levels=levels,
                        chunk=chunk,
                        force=True,
                    )
                rates[count].append(done.voxels_per_second)
                loads.append(load_average())
    write_result(
        "segment_scale",
        title="Voxels per second of edgeneuro segment",
        rows=[
            {
                "workers": count,
                "median": round(float(np.median(rates[count]))),
                "least": round(min(rates[count])),
                "most": round(max(rates[count])),
                "times_one": float(np.median(rates[count]) / np.median(rates[counts[0]])),
            }
            for count in counts
        ],
        columns={
            "workers": "workers",
            "median": "voxels/s, median",
            "least": "least",
            "most": "most",
            "times_one": f"times {counts[0]} worker(s)",
        },
        context={
            "script": "python -m edgeneuro.benchmarks.segment_scale",
            "data": f"simulated, {' x '.join(map(str, shape))} voxels of 16 bits, chunks of the mask {done.chunk}",
            "engine": graph,
            "rounds": rounds,
            "levels_voxels_per_second": round(per_core),
            "load_average": loads,
            "notes": [f"The pass for the grey levels reads and counts {per_core:,.0f} voxels a second on one core."],
        },
    )


if __name__ == "__main__":
    typer.run(main)
