"""The memory that one graph of an engine needs, in a process that does nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from edgeneuro.benchmarks.document import Memory
from edgeneuro.records import from_json
from edgeneuro.runtime.backends.child import run_child

CHILD = "edgeneuro.benchmarks.power.memory_child"
_TIMEOUT_S = 600.0


def measure_memory(
    engine: Path,
    *,
    precision: str,
    backend: str,
    threads: int | None,
    frames: int = 20,
    allow_unsigned: bool = False,
) -> Memory:
    """Open the .edge file `engine` in a fresh process, run `frames` frames, and ask how much memory that took.

    base_bytes: the interpreter with edgeneuro, numpy and OpenCV. What comes on top is the backend's library, verification,
    the graph, the self-test and the frames. A process that the backend starts to try a graph out is not counted; it has
    ended when frames run, and needs about as much. device_bytes: None, since every backend runs on the processor.
    Raises BackendError where the process crashes or refuses the engine, SensorError where its memory cannot be read.
    """
    given = {
        "engine": str(engine.resolve()),
        "precision": precision,
        "backend": backend,
        "threads": threads,
        "frames": frames,
        "allow_unsigned": allow_unsigned,
    }
    what = f"{engine}: measuring memory with {precision} on {backend}"
    said = run_child(what, CHILD, (json.dumps(given),), b"", timeout_s=_TIMEOUT_S)
    return from_json(Memory, json.loads(said.splitlines()[-1]), what)  # a library may have printed before
