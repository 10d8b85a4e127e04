"""Time to the first result and peak memory of a device process, beside a bare script that does the same.

    python -m edgeneuro.benchmarks.cold_start ENGINE.edge [--rounds 15]

Each start is a process of its own; the kinds take turns. Writes docs/results/cold_start.json and .md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from edgeneuro.benchmarks.power.resident import status_bytes
from edgeneuro.benchmarks.protocol import Floats, interleave, load_average
from edgeneuro.benchmarks.results import write_result
from edgeneuro.errors import InputError
from edgeneuro.manifest import Manifest
from edgeneuro.runtime import open_engine, read_bundle
from edgeneuro.runtime.choose import choose_graph

FRAMES = 20
"""Classified after the first, before memory is read."""
STEPS = ("import", "verify", "load", "self_test", "first_frame")


def started(script: str, arguments: Mapping[str, Any]) -> Callable[[int], Mapping[str, float]]:
    """A candidate for `interleave`: one process. Times in ms as the process and as we saw them; memory in MiB.

    Memory is VmHWM and VmRSS of /proc/self/status: getrusage counts what the process was before exec as well.
    """
    found = find_spec(f"edgeneuro.benchmarks.{script}")
    assert found is not None and found.origin is not None
    command = [sys.executable, found.origin, json.dumps(arguments)]

    def run(_: int) -> Mapping[str, float]:
        begun = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            label = process.stdout.readline().strip()
            first_result = 1e3 * (time.perf_counter() - begun)
            rest, said = process.communicate()
        if process.returncode != 0:
            raise InputError(f"{script}: ended with {process.returncode}: {said.strip()}")
        done = json.loads(rest)
        steps = {step: float(done["ms"].get(step, 0.0)) for step in STEPS}
        fields = {"peak_mib": "VmHWM", "resident_mib": "VmRSS"}
        memory = {name: status_bytes(done["status"], field) / 2**20 for name, field in fields.items()}
        return {"first_result": first_result, "label": float(label), **memory, **steps}

    return run


def candidates(engine: Path, manifest: Manifest, folder: Path, threads: int) -> dict[str, Any]:
    """name -> candidate; writes the image and the bare script's graph into `folder`."""
    image, graph = folder / "frame.png", folder / "graph.onnx"
    cv2.imwrite(str(image), np.random.default_rng(0).integers(0, 256, (768, 1024), np.uint8))
    chosen, _ = choose_graph(manifest, None, str(engine))
    graph.write_bytes(read_bundle(engine).members[chosen.path])
    shape = manifest.frame_preprocess
    bare = {"model": str(graph), "image": str(image), "threads": threads, "frames": FRAMES}
    bare |= {"height": shape.height, "width": shape.width, "max_value": shape.max_value}
    bare |= {"mean": shape.mean, "std": shape.std}
    device = {"engine": str(engine), "image": str(image), "precision": None, "threads": threads, "frames": FRAMES}
    return {
        "bare script": started("process_bare", bare),
        "edgeneuro": started("process_device", {**device, "self_test": True}),
        "edgeneuro without self-test": started("process_device", {**device, "self_test": False}),
    }


def row_of(name: str, steps: Mapping[str, Floats], bare: Mapping[str, Floats]) -> dict[str, Any]:
    """Medians over processes; added: median of the differences within a round."""
    row: dict[str, Any] = {"process": name, "first_result_ms": float(np.median(steps["first_result"]))}
    row["added_ms"] = float(np.median(steps["first_result"] - bare["first_result"])) if steps is not bare else None
    row |= {f"{step}_ms": float(np.median(steps[step])) if steps[step].any() else None for step in STEPS}
    row |= {name: float(np.median(steps[name])) for name in ("peak_mib", "resident_mib")}
    row["added_mib"] = float(np.median(steps["resident_mib"] - bare["resident_mib"])) if steps is not bare else None
    return row


def main(
    engine: Annotated[Path, typer.Argument(help="An .edge file for grey frames.")],
    rounds: Annotated[int, typer.Option(min=1, help="Processes of each kind.")] = 15,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Start the processes in turn and write the result."""
    manifest, load = read_bundle(engine).manifest, load_average()
    if manifest.frame_preprocess.channels != 1:
        raise InputError(
            f"{engine}: takes {manifest.frame_preprocess.channels} channels, expected 1; the bare script reads grey"
        )
    with open_engine(engine) as opened:
        used = opened.graph
    with tempfile.TemporaryDirectory() as folder:
        kinds = candidates(engine, manifest, Path(folder), threads)
        times = interleave(kinds, rounds=rounds, warm_up=1, rng=np.random.default_rng(0))
    if len({float(label) for steps in times.values() for label in steps["label"]}) != 1:
        raise InputError(f"{engine}: the bare script and the engine name different classes, so they do not do the same")
    rows = [row_of(name, steps, times["bare script"]) for name, steps in times.items()]
    columns = {"process": "process", "first_result_ms": "start to first result, ms", "added_ms": "added to bare, ms"}
    columns |= {"import_ms": "imports", "verify_ms": "verification", "load_ms": "graph loading"}
    columns |= {"self_test_ms": "self-test", "first_frame_ms": "first frame"}
    columns |= {"peak_mib": "peak memory, MiB", "resident_mib": "resident, MiB", "added_mib": "added to bare, MiB"}
    write_result(
        "cold_start",
        title="Start of a device process",
        rows=rows,
        columns=columns,
        context={
            "script": f"python -m edgeneuro.benchmarks.cold_start {engine.name} --rounds {rounds}",
            "model": f"{manifest.model}, {used.path}, {engine.stat().st_size:,} bytes of .edge file",
            "data": "one PNG of 1024 x 768 grey px, random",
            "threads": threads,
            "processes of each kind": rounds,
            "load average before": load,
            "notes": [
                "Medians. Files were in the page cache: one round before these is not counted.",
                f"Memory as of {FRAMES} frames after the first; peak is the largest resident set until then.",
            ],
        },
    )
    for row in rows:
        print(f"{row['process']}: {row['first_result_ms']:.0f} ms, {row['resident_mib']:.0f} MiB")


if __name__ == "__main__":
    typer.run(main)
