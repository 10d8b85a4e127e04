"""How long it takes to read a neuron from SWC, to draw it in every variant and view, and to read a picture that was kept.

    python -m edgeneuro.benchmarks.drawing_speed [--data rat_neuron_swc] [--every 10] [--rounds 5]

One neuron after the other, on one thread. Processor time beside wall time, because that does not grow where other work goes on.
Writes docs/results/drawing_speed.json and .md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, get_args

import cv2
import numpy as np
import typer

from edgeneuro.benchmarks.protocol import Candidate, interleave, load_average, quantiles
from edgeneuro.benchmarks.results import write_result
from edgeneuro.data.folder import find_folder
from edgeneuro.data.pictures import read_picture
from edgeneuro.data.swc import decode_swc, is_neuron_file, read_swc
from edgeneuro.data.tables import walk
from edgeneuro.drawing import Drawing, Variant, View
from edgeneuro.errors import DataError
from edgeneuro.neuron import AXON, SOMA, Neuron

LARGE_NODES = 100_000
"""Of the made-up file that reading is tried on: about as many as the largest reconstructions have."""

LARGE_ROUNDS = 5


def made_up(nodes: int, rng: np.random.Generator) -> bytes:
    """An SWC file of a tree that branches at one node in twenty, and ends as often."""
    back = np.where(rng.random(nodes) < 0.05, rng.integers(1, 200, nodes), 1)
    steps = rng.normal(0.0, 1.0, (nodes, 3))
    points, types = np.zeros((nodes, 3)), np.full(nodes, SOMA)
    lines = ["1 1 0 0 0 8 -1"]
    for row in range(1, nodes):
        parent = max(0, row - int(back[row]))
        points[row] = points[parent] + steps[row]
        types[row] = types[parent] if parent else AXON + row % 2
        x, y, z = points[row].round(2).tolist()
        lines.append(f"{row + 1} {types[row]} {x} {y} {z} 0.5 {parent + 1}")
    return "\n".join(lines).encode()


def timed(work: Callable[[int], object]) -> Candidate:
    """Wall and processor time of one call, milliseconds."""

    def run(number: int) -> Mapping[str, float]:
        wall, processor = time.perf_counter(), time.process_time()
        work(number)
        return {"wall": 1e3 * (time.perf_counter() - wall), "processor": 1e3 * (time.process_time() - processor)}

    return run


def candidates(files: list[Path]) -> dict[str, Candidate]:
    """What is timed, by name; each takes its number modulo the files."""
    neurons = [read_swc(file) for file in files]
    here = {
        "read SWC": timed(lambda number: read_swc(files[number % len(files)])),
        "read a kept picture": timed(lambda number: read_picture(files[number % len(files)], Drawing())),
    }
    for variant, view in product(get_args(Variant), get_args(View)):
        here[f"draw {variant}, {view}"] = timed(partial(_draw, Drawing(variant=variant, view=view), neurons))
    for file in files:
        read_picture(file, Drawing())
    return here


def _draw(drawing: Drawing, neurons: Sequence[Neuron], number: int) -> None:
    drawing(neurons[number % len(neurons)])


def main(
    data: Annotated[str, typer.Option(help="A registered set or a folder of .swc files.")] = "rat_neuron_swc",
    every: Annotated[int, typer.Option(min=1, help="Takes every so many-th file.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each neuron is drawn.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the made-up file and of the order within a round.")] = 0,
) -> None:
    """Time each step over the neurons and write the result."""
    cv2.setNumThreads(1)
    folder = find_folder(data)
    files = [path for path in walk(folder) if is_neuron_file(path)][::every]
    if not files:
        raise DataError(f"{folder}: holds no .swc files, expected reconstructions of neurons")
    rng, load = np.random.default_rng(seed), load_average()
    found = interleave(candidates(files), rounds=rounds * len(files), warm_up=5, rng=rng)
    content = made_up(LARGE_NODES, rng)
    large = {f"read SWC of {LARGE_NODES:,} nodes": timed(lambda _: decode_swc(content, "large.swc"))}
    found |= interleave(large, rounds=LARGE_ROUNDS, warm_up=1, rng=rng)
    rows = []
    for name, times in found.items():
        wall = quantiles(times["wall"])
        processor = float(times["processor"].mean())
        rows.append(
            {
                "step": name,
                "processor_ms": processor,
                "per_s": 1e3 / processor,
                "p50_ms": wall.p50,
                "p90_ms": wall.p90,
            }
        )
    nodes = [len(read_swc(file)) for file in files]
    columns = {"step": "step", "processor_ms": "processor time, mean, ms", "per_s": "neurons per second of one core"}
    columns |= {"p50_ms": "wall time p50, ms", "p90_ms": "p90"}
    write_result(
        "drawing_speed",
        title="Reading and drawing neurons",
        rows=rows,
        columns=columns,
        context={
            "script": f"python -m edgeneuro.benchmarks.drawing_speed --data {folder.name} --every {every} --rounds {rounds}",
            "data": f"{len(files)} neurons of {folder.name}, {min(nodes):,} to {max(nodes):,} nodes, {int(np.mean(nodes)):,} on average",
            "picture": f"{Drawing().side_px} x {Drawing().side_px} px",
            "threads": 1,
            "rounds": rounds,
            "load average before": load,
            "notes": [
                "The machine was shared with other work: compare processor times; wall times are higher than alone."
            ],
        },
    )
    for row in rows:
        print(f"{row['step']}: {row['processor_ms']:.2f} ms")


if __name__ == "__main__":
    typer.run(main)
