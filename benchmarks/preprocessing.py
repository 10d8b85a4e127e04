"""How long preprocessing takes for a frame of 1024 x 768 px.

    python -m edgeneuro.benchmarks.preprocessing [ENGINE.edge] [--rounds 500]

Without an engine the input is 224 x 224 grey. Writes docs/results/preprocessing.json and .md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from edgeneuro.benchmarks.protocol import interleave, load_average, quantiles
from edgeneuro.benchmarks.results import write_result
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime import read_bundle
from edgeneuro.spec import Frame

HEIGHT, WIDTH = 768, 1024


def frames(rng: np.random.Generator) -> dict[str, Frame]:
    """One random frame of each kind that a scanner or its export delivers."""
    return {
        "grey, 8 bit": rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8),
        "RGB, 8 bit": rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8),
        "grey, 16 bit": rng.integers(0, 65536, (HEIGHT, WIDTH), np.uint16),
    }


def timed(preprocess: Preprocess, frame: Frame) -> Callable[[int], Mapping[str, float]]:
    """A candidate for `interleave`: both steps of one frame, milliseconds."""

    def run(_: int) -> Mapping[str, float]:
        started = time.perf_counter()
        pixels = preprocess.resize(frame)
        resized = time.perf_counter()
        preprocess.normalise(pixels)
        done = time.perf_counter()
        return {
            "resize": 1e3 * (resized - started),
            "normalise": 1e3 * (done - resized),
            "total": 1e3 * (done - started),
        }

    return run


def main(
    engine: Annotated[Path | None, typer.Argument(help="An .edge file.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Frames of each kind.")] = 500,
    threads: Annotated[int, typer.Option(min=1, help="Of OpenCV.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the frames and of the order within a round.")] = 0,
) -> None:
    """Time each kind of frame and write the result."""
    cv2.setNumThreads(threads)
    preprocess = Preprocess(height=224, width=224) if engine is None else read_bundle(engine).manifest.frame_preprocess
    rng, load = np.random.default_rng(seed), load_average()
    candidates = {kind: timed(preprocess, frame) for kind, frame in frames(rng).items()}
    times = interleave(candidates, rounds=rounds, warm_up=max(10, rounds // 10), rng=rng)
    rows = []
    for kind, steps in times.items():
        total = quantiles(steps["total"])
        rows.append(
            {
                "frame": kind,
                "resize_ms": float(np.median(steps["resize"])),
                "normalise_ms": float(np.median(steps["normalise"])),
                "p50_ms": total.p50,
                "p90_ms": total.p90,
                "p99_ms": total.p99,
            }
        )
    columns = {"frame": "frame", "resize_ms": "depth, colour and size, ms", "normalise_ms": "to float32, ms"}
    columns |= {"p50_ms": "total p50, ms", "p90_ms": "p90", "p99_ms": "p99"}
    write_result(
        "preprocessing",
        title=f"Preprocessing of a {WIDTH} x {HEIGHT} frame",
        rows=rows,
        columns=columns,
        context={
            "script": f"python -m edgeneuro.benchmarks.preprocessing {engine.name if engine else ''}".strip()
            + f" --rounds {rounds}",
            "data": f"random frames, seed {seed}",
            "network input": f"{preprocess.channels} x {preprocess.height} x {preprocess.width}",
            "threads": threads,
            "rounds": rounds,
            "load average before": load,
        },
    )
    for row in rows:
        print(f"{row['frame']}: {row['p50_ms']:.3f} ms")


if __name__ == "__main__":
    typer.run(main)
