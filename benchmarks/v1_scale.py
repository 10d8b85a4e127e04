"""Time and memory of every analysis of a session as large as the published ones, each in a process of its own.

    python -m edgeneuro.benchmarks.v1_scale [--neurons 10000] [--images 2800] [--quick] [--steps fields,clusters]

Writes docs/results/v1_scale.json and .md. The session is simulated, made once in a process of its own, and read by each of the others.
A step that the system ends, for memory for example, is a row that says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypeVar

import numpy as np
import typer

from edgeneuro.benchmarks.power.resident import resident
from edgeneuro.benchmarks.results import write_result
from edgeneuro.data.recordings import Recording
from edgeneuro.data.recordings.simulated import LICENCE, simulate_session
from edgeneuro.errors import DataError, UsageError
from edgeneuro.v1.report import settings as chosen
from edgeneuro.v1.report.records import Settings
from edgeneuro.v1.report.session import Session
from edgeneuro.v1.report.steps import steps

SHAPE = (68, 270)
"""Of the published images, px."""
ARRAYS = ("responses", "stimuli", "groups", "labels", "spontaneous", "positions_um", "images")
COLUMNS = {
    "step": "step",
    "seconds": "time, s",
    "session_mib": "with the session read, MiB",
    "peak_mib": "peak, MiB",
    "ended": "ended",
}
Result = TypeVar("Result")


def save_session(folder: Path, seed: int, neurons: int, images: int, shape: tuple[int, int]) -> tuple[int, int]:
    """A simulated session as one .npy a field; returns its trials and neurons."""
    made = simulate_session(seed, neurons=neurons, images=images, shape=shape).recording
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", getattr(made, name), allow_pickle=False)
    return made.trials, made.neurons


def load_session(folder: Path) -> Recording:
    """What `save_session` wrote."""
    arrays: dict[str, Any] = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ARRAYS}
    kinds = int(arrays["labels"].max()) + 1
    classes = tuple(f"kind {number}" for number in range(kinds))
    return Recording(name="simulated", classes=classes, simulated=True, licence=LICENCE, **arrays)


def measure(folder: Path, name: str, settings: Settings) -> dict[str, Any]:
    """A row: the step once, in this process, which must be fresh for the peak to be its own."""
    step = next(step for step in steps(settings) if step.name == name)
    session = Session(load_session(folder), settings)
    before = resident().now / 2**20
    began = time.perf_counter()
    try:
        step.run(session)
        ended = "done"
    except DataError as error:
        ended = f"skipped: {error}"
    return {
        "step": name,
        "seconds": time.perf_counter() - began,
        "session_mib": before,
        "peak_mib": resident().peak / 2**20,
        "ended": ended,
    }


def in_a_process(call: Callable[..., Result], *arguments: Any) -> Result:
    """`call`, importable by name, in a fresh interpreter. Raises BrokenProcessPool where the system ended it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()


def rows_of(folder: Path, names: Iterable[str], settings: Settings) -> Iterable[dict[str, Any]]:
    """One row a step."""
    for name in names:
        try:
            yield in_a_process(measure, folder, name, settings)
        except BrokenProcessPool:
            yield {"step": name, "seconds": None, "session_mib": None, "peak_mib": None, "ended": "by the system"}


def main(
    neurons: Annotated[int, typer.Option(min=9, help="Of the session.")] = 10_000,
    images: Annotated[int, typer.Option(min=4, help="Each shown twice, with grey screens between.")] = 2800,
    quick: Annotated[bool, typer.Option("--quick", help="Settings of a quick report.")] = False,
    only: Annotated[str, typer.Option("--steps", help="Names, by commas; all where empty.")] = "",
    seed: Annotated[int, typer.Option(help="Of the session and every step.")] = 0,
) -> None:
    """Measure every step and write the result."""
    settings = chosen.quick(seed) if quick else chosen.full(seed)
    known = [step.name for step in steps(settings)]
    names = only.split(",") if only else known
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise UsageError(f"--steps: got {', '.join(unknown)}, expected some of {', '.join(known)}")
    with TemporaryDirectory() as folder:
        trials, columns = in_a_process(save_session, Path(folder), seed, neurons, images, SHAPE)
        rows = []
        for row in rows_of(Path(folder), names, settings):
            rows.append(row)
            print(f"{row['step']}: {row['ended']}", flush=True)
    write_result(
        "v1_scale",
        title="Time and memory of the V1 analyses",
        rows=rows,
        columns=COLUMNS,
        context={
            "script": f"python -m edgeneuro.benchmarks.v1_scale --neurons {neurons} --images {images}{' --quick' if quick else ''}",
            "data": f"a simulated session of {trials:,} trials and {columns:,} neurons, images of {SHAPE[0]} x {SHAPE[1]} px",
            "protocol": f"each step once, in a process of its own, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}",
            "notes": [
                "The peak is that of the whole process, with Python, its libraries and the session.",
                "Steps that share work, as fields and order do, each do it themselves here.",
            ],
        },
    )


if __name__ == "__main__":
    typer.run(main)
