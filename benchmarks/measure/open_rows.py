"""Everything that runs one network on this machine, opened and ready to be timed: graphs of the bundle, then rivals."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from edgeneuro.benchmarks.document import OURS
from edgeneuro.benchmarks.measure.frames import Frames
from edgeneuro.benchmarks.rivals.rival import Rival
from edgeneuro.errors import BackendError, PromiseError
from edgeneuro.runtime import Bundle, Engine, open_engine
from edgeneuro.runtime.backends import BACKENDS, check_known, is_expected
from edgeneuro.runtime.choose import graphs_on, in_words, unmet
from edgeneuro.runtime.cpu import cpu_features
from edgeneuro.spec import Array, Feed

FLOAT = ("fp32", "onnxruntime")
"""Precision and backend of the row that all others are compared with."""


@dataclass(kw_only=True, eq=False)
class OpenRow:
    """name: unique in the document. infer: one feed to the outputs. frame: runs the whole of frame `number` and returns ms by
    step, None for rivals. graph: ONNX bytes, None where the rival has none. engine: of this project's rows."""

    name: str
    tool: str
    backend: str
    precision: str
    infer: Callable[[Feed], Mapping[str, Array]]
    graph: bytes | None
    frame: Callable[[int], Mapping[str, float]] | None = None
    engine: Engine | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)


def open_rows(
    path: Path,
    label: str,
    bundle: Bundle,
    frames: Frames,
    *,
    backends: Sequence[str] | None,
    threads: int | None,
    allow_unsigned: bool = False,
    stack: ExitStack,
) -> tuple[list[OpenRow], dict[str, str]]:
    """Every graph of the bundle on every backend that runs it here, the float one on ONNX Runtime first; and what -> why it
    is left out.

    label: the engine in the document. backends: those asked for beside ONNX Runtime, None takes all that are installed.
    Raises what opening the float row raises, BackendError for an unknown backend.
    """
    rows: list[OpenRow] = []
    missing: dict[str, str] = {}
    for backend in filter(is_expected, BACKENDS) if backends is None else dict.fromkeys((FLOAT[1], *backends)):
        check_known(backend)
        graphs = graphs_on(bundle.manifest, backend)
        for precision in sorted({graph.precision for graph in graphs}, key=lambda one: (one != FLOAT[0], one)):
            name = f"{label}: {precision} {backend}"
            needs = [unmet(graph, cpu_features(), asked=False) for graph in graphs if graph.precision == precision]
            if all(needs):
                missing[name] = f"needs {in_words(needs[0])}"
                continue
            try:
                opened = open_engine(
                    path, precision=precision, backend=backend, threads=threads, allow_unsigned=allow_unsigned
                )
                engine = stack.enter_context(opened)
            except (BackendError, PromiseError) as error:
                if (precision, backend) == FLOAT:
                    raise
                missing[name] = str(error)
                continue
            rows.append(_row(name, engine, bundle, frames))
    return rows, missing


def rival_row(name: str, rival: Rival) -> OpenRow:
    """A rival's own call."""
    return OpenRow(
        name=name,
        tool=rival.tool,
        backend=rival.backend,
        precision=rival.precision,
        infer=rival.run,
        graph=rival.graph,
        notes=rival.notes,
    )


def _row(name: str, engine: Engine, bundle: Bundle, frames: Frames) -> OpenRow:
    items, capture = frames.items, frames.capture

    def frame(number: int) -> Mapping[str, float]:
        started = time.perf_counter()
        item = items[number % len(items)] if capture is None else capture(number)
        captured = 1e3 * (time.perf_counter() - started)
        ms = engine(item).ms
        read = {} if capture is None else {"capture": captured}
        return {**read, **ms, "total": sum(read.values()) + sum(ms.values())}

    return OpenRow(
        name=name,
        tool=OURS,
        backend=engine.graph.backend,
        precision=engine.graph.precision,
        infer=engine.infer,
        graph=bundle.members[engine.graph.path],
        frame=frame,
        engine=engine,
    )
