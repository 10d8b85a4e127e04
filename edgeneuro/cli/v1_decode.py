"""edgeneuro v1 decode: what an engine says of every response vector, one at a time."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.cli.options import AllowUnsigned, BackendOption, PrecisionOption, Threads

_log = logging.getLogger("edgeneuro")


def command(
    engine: Annotated[Path, typer.Argument(metavar="ENGINE", help="An .edge file.", show_default=False)],
    session: Annotated[
        str,
        typer.Argument(
            metavar="SESSION", help="A session by name, v1-simulated:SEED, or its .npz or .mat.", show_default=False
        ),
    ],
    stream: Annotated[
        bool, typer.Option("--stream", help="Read response vectors from standard input, answer each at once.")
    ] = False,
    precision: PrecisionOption = None,
    backend: BackendOption = None,
    allow_unsigned: AllowUnsigned = False,
    threads: Threads = None,
) -> None:
    """Decode one response vector after the other, as a closed loop does: one JSON object a line.

    Without --stream the trials of SESSION, in order, with the class that was shown. With --stream the vectors come from standard
    input, float32, little-endian, one number a neuron in the order of SESSION, nothing between them; each line is written before the
    next vector is read. An engine decodes the session it was trained on and refuses every other one. A vector that cannot be decoded
    gets a line with an error, the rest goes on, and the exit code is 1. With -v the median and the 99th percentile of the times come
    last, on standard error.

    \b
    edgeneuro v1 decode mouse.edge mrcuts28_fov4
    recorder | edgeneuro v1 decode mouse.edge mrcuts28_fov4 --stream --threads 1 -v
    """
    from edgeneuro.data.recordings.opening import open_recording
    from edgeneuro.errors import UsageError
    from edgeneuro.runtime import open_engine
    from edgeneuro.runtime.decode import check_session, decode_stream, decode_trials

    if stream and sys.stdin.isatty():
        raise UsageError("--stream: standard input is a terminal, expected response vectors; pipe them in")
    recording = open_recording(session)
    taken: list[float] = []
    failed = 0
    with open_engine(
        engine,
        precision=precision.value if precision else None,
        backend=backend.value if backend else None,
        threads=threads,
        allow_unsigned=allow_unsigned,
    ) as opened:
        check_session(opened, recording)
        for done in decode_stream(opened, sys.stdin.buffer) if stream else decode_trials(opened, recording):
            failed += done.error is not None
            taken += [] if done.ms is None else [done.ms]
            print(json.dumps(done.to_json(), ensure_ascii=False, allow_nan=False), flush=True)
    if taken:
        _log.info("%s", _times(taken))
    if failed:
        raise typer.Exit(1)


def _times(taken: list[float]) -> str:
    import numpy as np

    median, slow = np.percentile(taken, [50, 99])
    return f"{len(taken)} vectors: p50 {median:.3f} ms, p99 {slow:.3f} ms"
