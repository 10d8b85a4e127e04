"""Which nodes run in INT8, decided by measuring on this machine.

INT8 is not faster by itself: a one-channel stem or a depthwise convolution can be slower than in float. Candidates
differ by kind of node, not by name, so the search is the same for every network. Each is lowered, opened, and timed
in turn with the float graph; ratios within a round cancel what else the machine is doing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import numpy as np
import onnx

from edgeneuro.export import graph as graphs
from edgeneuro.export.lower_ort import TARGET, Form, lower_for_onnxruntime, quantizable_nodes
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.runtime.backends import Backend, open_backend
from edgeneuro.spec import Float32

ROUNDS = (7, 60)
"""At least and at most; in between the time budget decides."""
TIE = 1.05
"""Candidates this close to the fastest differ by noise."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A placement by kind. nodes: those in INT8. time_ratio: median of INT8 / float time. error: root mean square of
    the logits' difference from float, relative to the float logits' standard deviation."""

    name: str
    nodes: tuple[str, ...]
    time_ratio: float
    error: float


def candidate_placements(model: onnx.ModelProto) -> dict[str, tuple[str, ...]]:
    """Name -> nodes in INT8. Duplicates, as in a network without depthwise convolutions, appear once."""
    nodes = quantizable_nodes(model)
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    others = [node for node in nodes if node.op_type != "Conv"]
    stem = convolutions[:1]
    depthwise = [node for node in convolutions if graphs.attribute(node, "group", 1) != 1]
    found: dict[tuple[str, ...], str] = {}
    for label, kept_float in (
        ("every convolution", []),
        ("all but the stem", stem),
        ("all but depthwise", depthwise),
        ("all but stem and depthwise", [*stem, *depthwise]),
    ):
        chosen = [node for node in convolutions if node not in kept_float]
        found.setdefault(tuple(node.name for node in chosen), f"{label}, the rest in float")
        placed = [node for node in nodes if node in chosen or node in others]
        found.setdefault(tuple(node.name for node in placed), f"{label}, additions and poolings in INT8")
    return {name: nodes for nodes, name in found.items() if nodes}


def search_placement(
    model: onnx.ModelProto, plan: Plan, form: Form, frames: Float32, *, threads: int | None, budget_s: float
) -> tuple[Candidate, ...]:
    """All candidates, fastest first, measured one frame at a time.

    form: the one this processor runs. frames: (frame, channel, height, width), cycled through while timing; all of
    them enter the error. budget_s: of the timing, in seconds.
    """
    placements = candidate_placements(model)
    with _opened(model, plan, form, placements, threads) as (reference, opened):
        errors = {name: _relative_error(reference, backend, frames) for name, backend in opened.items()}
        ratios = _time_ratios(reference, opened, frames, budget_s)
    measured = [
        Candidate(name=name, nodes=nodes, time_ratio=ratios[name], error=errors[name])
        for name, nodes in placements.items()
    ]
    return tuple(sorted(measured, key=lambda candidate: candidate.time_ratio))


def time_again(
    model: onnx.ModelProto,
    plan: Plan,
    form: Form,
    candidate: Candidate,
    frames: Float32,
    *,
    threads: int | None,
    budget_s: float,
) -> float:
    """INT8 / float time of one candidate, alone with float, in fresh rounds.

    The smallest of several noisy ratios is biased low, and graphs that take turns push each other out of the caches.
    """
    with _opened(model, plan, form, {candidate.name: candidate.nodes}, threads) as (reference, opened):
        return _time_ratios(reference, opened, frames, budget_s)[candidate.name]


@contextmanager
def _opened(
    model: onnx.ModelProto, plan: Plan, form: Form, placements: Mapping[str, tuple[str, ...]], threads: int | None
) -> Iterator[tuple[Backend, dict[str, Backend]]]:
    """The float graph and each lowered one, ready to run."""
    with ExitStack() as stack:

        def opened(graph: onnx.ModelProto) -> Backend:
            return stack.enter_context(closing(open_backend(TARGET, graph.SerializeToString(), threads=threads)))

        yield (
            opened(model),
            {
                name: opened(lower_for_onnxruntime(model, with_placement(plan, TARGET, nodes), form))
                for name, nodes in placements.items()
            },
        )


def _relative_error(reference: Backend, backend: Backend, frames: Float32) -> float:
    feeds = [{reference.inputs[0].name: frame[None]} for frame in frames]
    output = reference.outputs[0].name
    expected = np.concatenate([reference.run(feed)[output] for feed in feeds])
    got = np.concatenate([backend.run(feed)[output] for feed in feeds])
    return float(np.sqrt(np.mean((got - expected) ** 2)) / max(float(expected.std()), np.finfo(np.float32).tiny))


def _time_ratios(
    reference: Backend, opened: Mapping[str, Backend], frames: Float32, budget_s: float
) -> dict[str, float]:
    """Median over rounds of candidate / float time; the first round warms up and is not counted."""
    name = reference.inputs[0].name
    ratios: dict[str, list[float]] = {key: [] for key in opened}
    started = time.perf_counter()
    for turn in range(ROUNDS[1]):
        if turn > ROUNDS[0] and time.perf_counter() - started > budget_s:
            break
        feed = {name: frames[turn % len(frames)][None]}
        base = _seconds(reference, feed)
        for key, backend in opened.items():
            ratio = _seconds(backend, feed) / base
            if turn > 0:
                ratios[key].append(ratio)
    return {key: float(np.median(values)) for key, values in ratios.items()}


def _seconds(backend: Backend, feed: dict[str, Float32]) -> float:
    started = time.perf_counter()
    backend.run(feed)
    return time.perf_counter() - started


def best_candidate(candidates: Sequence[Candidate]) -> Candidate | None:
    """The most exact of those within TIE of the fastest; None where every one is slower than float."""
    fastest = min(candidate.time_ratio for candidate in candidates) if candidates else 1.0
    if fastest >= 1.0:
        return None
    tied = [candidate for candidate in candidates if candidate.time_ratio <= min(fastest * TIE, 1.0)]
    return min(tied, key=lambda candidate: candidate.error)
