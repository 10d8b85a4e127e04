"""Which nodes run in INT8, decided by measuring on this machine.

INT8 is not faster by itself: a one-channel stem or a depthwise convolution can be slower than in float. Candidates by
kind of layer are lowered, opened, and timed in turn with the float graph; ratios within a round cancel what else the
machine is doing. Then single layers of the best one change sides, each kept only where that is faster.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import numpy as np
import onnx

from edgeneuro.export.candidates import candidate_placements
from edgeneuro.export.forms import Form
from edgeneuro.export.lower import lower
from edgeneuro.export.outputs import relative_error, stacked_outputs
from edgeneuro.export.parity import parity_fault
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.quantizable import quantizable_nodes
from edgeneuro.runtime.backends import Backend, open_backend
from edgeneuro.spec import Feed

ROUNDS = (7, 60)
"""At least and at most; in between the time budget decides."""
TIE = 1.05
"""Candidates this close to the fastest differ by noise."""
GAIN = 0.98
"""A layer changes sides for a gain of 2 % or more, seen in three of four rounds."""

Placements = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A placement. nodes: those in INT8. time_ratio: median of INT8 / float time. error: root mean square of
    the outputs' difference from float, relative to the float outputs' standard deviation."""

    name: str
    nodes: tuple[str, ...]
    time_ratio: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a placement is measured with.

    form: one this machine runs. feeds: of several frames, cycled through while timing; all enter the error. threads:
    of one operator, as on the device. kept_float: nodes that may not be placed.
    """

    model: onnx.ModelProto
    plan: Plan
    form: Form
    feeds: Sequence[Feed]
    threads: int | None
    kept_float: frozenset[str] = frozenset()

    def open(self, nodes: tuple[str, ...] | None) -> Backend:
        """The graph with `nodes` in INT8, None for the float graph."""
        content = self.model.SerializeToString() if nodes is None else self.lowered(nodes)
        return open_backend(self.form.backend, content, threads=self.threads)

    def lowered(self, nodes: tuple[str, ...]) -> bytes:
        """The graph with `nodes` in INT8."""
        return lower(self.model, with_placement(self.plan, self.form.target, nodes), self.form).SerializeToString()  # type: ignore[no-any-return]

    def fault(self, nodes: tuple[str, ...]) -> str | None:
        """What the backend gets wrong with `nodes` in INT8, None where nothing."""
        return parity_fault(
            self.model.SerializeToString(), self.lowered(nodes), self.form.backend, self.feeds, threads=self.threads
        )


def search_placement(bench: Bench, *, budget_s: float) -> tuple[Candidate, ...]:
    """All candidates by kind, fastest first, measured one frame at a time. budget_s: of the timing, in seconds."""
    placements: dict[tuple[str, ...], str] = {}
    for name, nodes in candidate_placements(bench.model, bench.form).items():
        allowed = tuple(node for node in nodes if node not in bench.kept_float)
        if allowed:
            placements.setdefault(allowed, name)
    return measure(bench, {name: nodes for nodes, name in placements.items()}, budget_s=budget_s)


def measure(bench: Bench, placements: Placements, *, budget_s: float) -> tuple[Candidate, ...]:
    """The placements timed in turn with float and with each other, fastest first.

    To trust the winner it is measured once more, alone: the smallest of several noisy ratios is biased low, and graphs
    that take turns push each other out of the caches.
    """
    with _opened(bench, {"float": None, **placements}) as opened:
        outputs = {name: stacked_outputs(backend, bench.feeds) for name, backend in opened.items()}
        seconds = _interleaved(opened, bench.feeds, budget_s)
    measured = [
        Candidate(
            name=name,
            nodes=nodes,
            time_ratio=float(np.median(seconds[name] / seconds["float"])),
            error=relative_error(outputs[name], outputs["float"]),
        )
        for name, nodes in placements.items()
    ]
    return tuple(sorted(measured, key=lambda candidate: candidate.time_ratio))


def best_candidate(candidates: Sequence[Candidate]) -> Candidate | None:
    """The most exact of those within TIE of the fastest; None where every one is slower than float."""
    fastest = min(candidate.time_ratio for candidate in candidates) if candidates else 1.0
    if fastest >= 1.0:
        return None
    tied = [candidate for candidate in candidates if candidate.time_ratio <= min(fastest * TIE, 1.0)]
    return min(tied, key=lambda candidate: candidate.error)


def refine(bench: Bench, best: Candidate, *, budget_s: float) -> tuple[str, ...]:
    """The nodes of `best` after single layers changed sides, as far as the time allows.

    Each convolution, in graph order, is moved from INT8 to float or back and timed against the placement so far.
    """
    current = best.nodes
    ends = time.perf_counter() + budget_s
    movable = [
        node.name
        for node in quantizable_nodes(bench.model, bench.form)
        if node.op_type == "Conv" and node.name not in bench.kept_float
    ]
    for name in movable:
        if time.perf_counter() > ends:
            break
        moved = _toggled(bench, current, name)
        if moved and _faster(bench, moved, current, budget_s / len(movable)):
            current = moved
    return current


def _toggled(bench: Bench, nodes: tuple[str, ...], name: str) -> tuple[str, ...]:
    """`nodes` with `name` on the other side, in graph order."""
    wanted = set(nodes) ^ {name}
    return tuple(node.name for node in quantizable_nodes(bench.model, bench.form) if node.name in wanted)


def _faster(bench: Bench, moved: tuple[str, ...], current: tuple[str, ...], budget_s: float) -> bool:
    with _opened(bench, {"moved": moved, "current": current}) as opened:
        seconds = _interleaved(opened, bench.feeds, budget_s)
    ratios = seconds["moved"] / seconds["current"]
    return bool(np.median(ratios) < GAIN and np.mean(ratios < 1.0) >= 0.75)


@contextmanager
def _opened(bench: Bench, placements: Mapping[str, tuple[str, ...] | None]) -> Iterator[dict[str, Backend]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(closing(bench.open(nodes))) for name, nodes in placements.items()}


def _interleaved(opened: Mapping[str, Backend], feeds: Sequence[Feed], budget_s: float) -> dict[str, np.ndarray]:
    """Name -> (round,) seconds, one frame each in turn; the first round warms up and is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in opened}
    started = time.perf_counter()
    for turn in range(ROUNDS[1]):
        if turn > ROUNDS[0] and time.perf_counter() - started > budget_s:
            break
        for name, backend in opened.items():
            before = time.perf_counter()
            backend.run(feeds[turn % len(feeds)])
            seconds[name].append(time.perf_counter() - before)
    return {name: np.array(values[1:]) for name, values in seconds.items()}
