"""From out-of-sample probabilities to scores with intervals, by frame and by exam unit. Needs only the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.sample import Sample
from edgeneuro.errors import DataError
from edgeneuro.manifest import Curves, Interval
from edgeneuro.metrics import (
    METRICS,
    Exams,
    aggregate,
    agreement_interval,
    bootstrap_interval,
    confusion_matrix,
    curves_of,
    drop_interval,
    recall_intervals,
)

FRAME = "frame"
Probabilities = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Of one graph (or method) at one level.

    metrics: name in edgeneuro.metrics -> 0..1. recall: class -> 0..1, None for a class without frames.
    confusion: rows true, columns predicted. curves: what depends on the probabilities. drop_points, agreement: paired against the reference graph, None for
    the reference itself.
    """

    name: str
    metrics: Mapping[str, Interval]
    recall: Mapping[str, Interval | None]
    confusion: tuple[tuple[int, ...], ...]
    curves: Curves
    drop_points: Mapping[str, Interval] | None = None
    agreement: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class Level:
    """unit: "frame", or the column by which frames were put together. units, groups: how many of each."""

    unit: str
    units: int
    groups: int
    graphs: tuple[Scores, ...]


def score_levels(
    probabilities: Mapping[str, Probabilities],
    samples: Sequence[Sample],
    classes: Sequence[str],
    *,
    by: str | None,
    seed: int,
) -> tuple[Level, ...]:
    """Scores of every graph by frame and, with `by`, by exam unit; the first graph is the reference of the others.

    probabilities: graph -> (frame, class). samples: one a frame, labelled. by: a column, or "group"; an exam unit is
    one value of that column within one group, so that "muscle" means each subject's muscle. seed: of the resamples,
    the same groups for every graph. Raises DataError.
    """
    levels = [_level(probabilities, _targets(samples), [s.group for s in samples], classes, FRAME, seed)]
    if by is not None and by != FRAME:
        units = [f"{sample.group} / {sample.unit(by)}" for sample in samples]
        exams = {name: _aggregate(table, samples, units, by) for name, table in probabilities.items()}
        one = next(iter(exams.values()))
        groups = [samples[i].group for i in one.first]
        tables = {name: exam.probabilities for name, exam in exams.items()}
        levels.append(_level(tables, one.targets, groups, classes, by, seed))
    return tuple(levels)


def _targets(samples: Sequence[Sample]) -> NDArray[np.int64]:
    return np.array([sample.target for sample in samples], np.int64)


def _aggregate(table: Probabilities, samples: Sequence[Sample], units: Sequence[str], by: str) -> Exams:
    try:
        return aggregate(table, _targets(samples), units)
    except DataError as error:
        raise DataError(f"--by {by}: {error}") from error


def _level(
    tables: Mapping[str, Probabilities],
    targets: NDArray[np.int64],
    groups: Sequence[str],
    classes: Sequence[str],
    unit: str,
    seed: int,
) -> Level:
    reference, *_ = tables
    expected = np.argmax(tables[reference], axis=1)
    graphs = tuple(
        _scores(name, targets, table, None if name == reference else expected, groups, classes, seed)
        for name, table in tables.items()
    )
    return Level(unit=unit, units=len(targets), groups=len(set(groups)), graphs=graphs)


def _scores(
    name: str,
    targets: NDArray[np.int64],
    table: Probabilities,
    reference: NDArray[np.int64] | None,
    groups: Sequence[str],
    classes: Sequence[str],
    seed: int,
) -> Scores:
    """Every interval starts from a fresh generator, so that all graphs and metrics see the same resamples."""
    n = len(classes)
    predicted = np.argmax(table, axis=1)

    def rng() -> np.random.Generator:
        return np.random.default_rng(seed)

    recall = recall_intervals(targets, predicted, groups, n, rng())
    return Scores(
        name=name,
        metrics={key: bootstrap_interval(key, targets, predicted, groups, n, rng()) for key in METRICS},
        recall=dict(zip(classes, recall, strict=True)),
        confusion=tuple(tuple(map(int, row)) for row in confusion_matrix(targets, predicted, n)),
        curves=curves_of(table, targets, groups, classes, rng()),
        drop_points=None
        if reference is None
        else {key: drop_interval(key, targets, reference, predicted, groups, n) for key in METRICS},
        agreement=None if reference is None else agreement_interval(reference, predicted, groups, n),
    )
