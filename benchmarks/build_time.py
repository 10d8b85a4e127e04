"""How long `edgeneuro build-engine --int8` takes from a checkpoint, the whole command, imports included.

    python -m edgeneuro.benchmarks.build_time [CKPT|MODEL] [--data SRC] [--runs 3]

Writes docs/results/build_time.json and .md.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.benchmarks.protocol import load_average
from edgeneuro.benchmarks.results import write_result
from edgeneuro.errors import InputError
from edgeneuro.records import to_json
from edgeneuro.runtime import read_bundle

BUDGET_S = 60.0
COMMAND = (sys.executable, "-c", "from edgeneuro.cli.main import run; run()", "build-engine")


def build_seconds(source: str, data: str | None, out: Path) -> float:
    """Wall time of one build in a fresh process, seconds. Raises InputError with what the command said."""
    options = ["--int8", "--force", "--quiet", "--out", str(out), *(["--data", data] if data else [])]
    started = time.perf_counter()
    done = subprocess.run([*COMMAND, source, *options], capture_output=True, text=True, check=False)
    taken = time.perf_counter() - started
    if done.returncode != 0:
        raise InputError(f"build-engine {source}: exit code {done.returncode}, expected 0: {done.stderr.strip()}")
    return taken


def main(
    source: Annotated[str, typer.Argument(help="Checkpoint folder, or a model with packaged weights.")] = "myositis",
    data: Annotated[str | None, typer.Option(help="As build-engine takes it.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Builds, one after another.")] = 3,
) -> None:
    """Time the builds and write the result."""
    load = load_average()
    with tempfile.TemporaryDirectory() as folder:
        engine = Path(folder) / "built.edge"
        seconds = [build_seconds(source, data, engine) for _ in range(runs)]
        manifest = read_bundle(engine).manifest
    median = statistics.median(seconds)
    size = manifest.frame_preprocess
    row = {
        "model": manifest.model,
        "input": f"{size.channels} x {size.height} x {size.width}",
        "median_s": round(median, 1),
        "fastest_s": round(min(seconds), 1),
        "slowest_s": round(max(seconds), 1),
        "within": median <= BUDGET_S,
        "seconds": [round(value, 2) for value in seconds],
    }
    columns = {"model": "model", "input": "input", "median_s": "median, s", "fastest_s": "fastest, s"}
    columns |= {"slowest_s": "slowest, s", "within": f"at most {BUDGET_S:g} s"}
    write_result(
        "build_time",
        title="Build time of an INT8 engine from a checkpoint",
        rows=[row],
        columns=columns,
        context={
            "script": f"python -m edgeneuro.benchmarks.build_time {Path(source).name} --runs {runs}",
            "data": "none" if manifest.accuracy is None else to_json(manifest.accuracy.data),
            "what": "whole command in a fresh process: imports, export, calibration, placement search, parity, accuracy",
            "load average before": load,
        },
    )
    print(f"{median:.1f} s, median of {runs}")


if __name__ == "__main__":
    typer.run(main)
