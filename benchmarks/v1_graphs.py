"""Every graph of several decoders on the same trials: what it decodes, and how long one vector takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeneuro.benchmarks.protocol import Candidate, Floats, interleave, quantiles
from edgeneuro.benchmarks.report.words import percent, points
from edgeneuro.benchmarks.scoring import Probabilities, score_levels
from edgeneuro.data import DataSet
from edgeneuro.data.leakage import unseen
from edgeneuro.data.sample import Sample
from edgeneuro.errors import UsageError
from edgeneuro.manifest import Precision
from edgeneuro.runtime import open_engine, read_bundle
from edgeneuro.runtime.decode import Decoded, decode_trials

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
SCORED = {
    "accuracy": "accuracy, %",
    "balanced": "balanced accuracy, %",
    "drop": "accuracy lost, points",
}
LATENCY = {"p50_ms": "p50, ms", "p99_ms": "p99, ms"}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Of one graph. bytes: of its ONNX file. probabilities: (trial, class), classes as the data set's. ms: (trial,)."""

    network: str
    precision: Precision
    params: int
    macs: int
    bytes: int
    probabilities: Probabilities
    ms: Floats


@dataclass(frozen=True, kw_only=True)
class Found:
    """samples: one a trial. graphs: in the order of their networks, the float one first."""

    samples: tuple[Sample, ...]
    graphs: tuple[Answers, ...]


def decoded(paths: Mapping[str, Path], dataset: DataSet, *, threads: int, seed: int = 0) -> Found:
    """Every trial that no engine has seen through each graph that runs here, one round a trial.

    paths: network -> engine. seed: of the order within a round. Raises UsageError where the engines have not seen the same.
    """
    samples = judged_trials(paths, dataset)
    assert dataset.recording is not None
    trials = dataset.recording.only(np.array([sample.index for sample in samples]))
    kept: dict[str, list[Decoded]] = {}
    empty: dict[str, Answers] = {}
    with ExitStack() as stack:
        running: dict[str, Candidate] = {}
        for network, path in paths.items():
            bundle = read_bundle(path)
            offered = {graph.precision for graph in bundle.manifest.graphs}
            for precision in (one for one in PRECISIONS if one in offered):
                engine = stack.enter_context(open_engine(path, precision=precision, threads=threads))
                if engine.graph.precision != precision:
                    continue
                name = f"{network}, {precision}"
                kept[name] = []
                running[name] = _next(decode_trials(engine, trials), kept[name])
                compute = bundle.manifest.compute
                empty[name] = Answers(
                    network=network,
                    precision=precision,
                    params=compute.params,
                    macs=compute.macs,
                    bytes=len(bundle.members[engine.graph.path]),
                    probabilities=np.zeros((0, len(dataset.classes))),
                    ms=np.zeros(0),
                )
        interleave(running, rounds=len(samples), warm_up=0, rng=np.random.default_rng(seed))
    return Found(samples=samples, graphs=tuple(_filled(empty[name], done, dataset) for name, done in kept.items()))


def judged_trials(paths: Mapping[str, Path], dataset: DataSet) -> tuple[Sample, ...]:
    """The trials that neither training nor calibration of any of them has seen. Raises UsageError where they differ."""
    left: list[tuple[Sample, ...]] = []
    for path in paths.values():
        split = read_bundle(path).manifest.split
        if split is None:
            raise UsageError(f"{path}: does not say what it has seen; build it from a checkpoint folder")
        left.append(tuple(unseen(dataset, split).dataset.samples))
    if any(samples != left[0] for samples in left):
        raise UsageError(f"engines {', '.join(map(str, paths.values()))}: have seen different trials; train them alike")
    return left[0]


def pooled(folds: Sequence[Found]) -> Found:
    """Of networks of the same names, each on trials of its own; what a graph weighs is the first one's. A graph that one of them
    lacks, as INT8 was not faster there, is left out."""
    by_name = [{(one.network, one.precision): one for one in fold.graphs} for fold in folds]
    together = []
    for name, first in by_name[0].items():
        if all(name in graphs for graphs in by_name):
            same = [graphs[name] for graphs in by_name]
            probabilities = np.concatenate([one.probabilities for one in same])
            together.append(replace(first, probabilities=probabilities, ms=np.concatenate([one.ms for one in same])))
    return Found(samples=tuple(sample for fold in folds for sample in fold.samples), graphs=tuple(together))


def rows_of(found: Found, dataset: DataSet) -> list[dict[str, Any]]:
    """One a graph; what is lost is against the first, paired by trial, intervals by group."""
    tables = {f"{one.network}, {one.precision}": one.probabilities for one in found.graphs}
    (level,) = score_levels(tables, found.samples, dataset.classes, by=None, seed=0)
    rows = []
    for one, scores in zip(found.graphs, level.graphs, strict=True):
        times = quantiles(one.ms)
        lost = None if scores.drop_points is None else points(scores.drop_points["accuracy"])
        rows.append(
            {
                "network": one.network,
                "precision": one.precision,
                "params": one.params,
                "bytes": one.bytes,
                "macs": one.macs,
                "accuracy": percent(scores.metrics["accuracy"]),
                "balanced": percent(scores.metrics["balanced_accuracy"]),
                "drop": lost,
                "p50_ms": times.p50,
                "p99_ms": times.p99,
            }
        )
    return rows


def _next(answers: Iterator[Decoded], kept: list[Decoded]) -> Candidate:
    """Decodes one trial more, keeps the answer, and gives its time."""

    def run(_: int) -> Mapping[str, float]:
        done = next(answers)
        if done.error is not None:
            raise done.error
        assert done.ms is not None
        kept.append(done)
        return {"ms": done.ms}

    return run


def _filled(empty: Answers, done: Sequence[Decoded], dataset: DataSet) -> Answers:
    table = np.array([[one.probabilities[name] for name in dataset.classes] for one in done])
    return replace(empty, probabilities=table, ms=np.array([one.ms for one in done], np.float64))
