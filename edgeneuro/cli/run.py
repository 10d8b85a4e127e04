"""edgeneuro run: frames in, one line each out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeneuro.cli.options import Json, PrecisionOption, Threads

if TYPE_CHECKING:
    from edgeneuro.runtime.stream import FrameResult


def command(
    engine: Annotated[Path, typer.Argument(metavar="ENGINE", help="An .edge file.", show_default=False)],
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Images, folders, patterns, .npy.", show_default=False)
    ],
    precision: PrecisionOption = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Classify images with an .edge file, in the order given.

    A file that cannot be read is reported in its own line, the rest goes on, and the exit code is 1.

    \b
    edgeneuro run myositis-int8.edge frame.png folder/ 'scans/**/*.tif'
    edgeneuro run myositis-int8.edge frame.png --json     one JSON object a line
    """
    from edgeneuro.runtime import open_engine
    from edgeneuro.runtime.stream import run_sources

    failed = 0
    with open_engine(engine, precision=precision.value if precision else None, threads=threads) as opened:
        for result in run_sources(opened, sources):
            failed += result.error is not None
            line = json.dumps(result.to_json(), ensure_ascii=False, allow_nan=False) if as_json else _sentence(result)
            print(line, flush=True)
    if failed:
        raise typer.Exit(1)


def _sentence(result: FrameResult) -> str:
    """For people: scan.png: ibm 93.1 % (5.2 ms) simulated_training"""
    name = result.source if result.index == 0 else f"{result.source}[{result.index}]"
    if result.prediction is None:
        return f"{name}: error: {str(result.error).removeprefix(result.source + ': ')}"
    made = result.prediction
    words = f"{name}: {made.label} {100 * made.probabilities[made.label]:.1f} % ({sum(made.ms.values()):.1f} ms)"
    return " ".join((words, *result.flags))
