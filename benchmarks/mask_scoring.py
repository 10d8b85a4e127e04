"""Scores of segmentations: Dice and IoU with intervals, by frame and by exam unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeneuro.export.accuracy import agreement, drop, score_interval
from edgeneuro.export.outcomes import FRAME, Outcomes
from edgeneuro.manifest import Interval
from edgeneuro.metrics import MASK_METRICS, mean_interval


@dataclass(frozen=True, kw_only=True)
class MaskGraph:
    """Of one graph at one level.

    metrics: "dice", "iou" -> mean over the units, 0..1. classes: class -> mean Dice of the units whose label mask holds
    it, None where none does. drop_points, agreement (Dice of the two masks): paired against the reference graph, None
    for the reference itself.
    """

    name: str
    metrics: Mapping[str, Interval]
    classes: Mapping[str, Interval | None]
    drop_points: Mapping[str, Interval] | None = None
    agreement: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class MaskLevel:
    """unit: "frame", or the column by which frames were put together. units, groups: how many of each."""

    unit: str
    units: int
    groups: int
    graphs: tuple[MaskGraph, ...]


def score_masks(outcomes: Outcomes, *, by: str | None, seed: int) -> tuple[MaskLevel, ...]:
    """outcomes: by frame, with masks. by, seed: as in edgeneuro.benchmarks.scoring.score_levels. Raises DataError."""
    levels = [outcomes] if by in (None, FRAME) else [outcomes, outcomes.by(str(by))]
    return tuple(
        MaskLevel(
            unit=level.unit,
            units=len(level.samples),
            groups=len(set(level.groups)),
            graphs=tuple(_graph(level, path, seed) for path in level.graphs),
        )
        for level in levels
    )


def _graph(level: Outcomes, path: str, seed: int) -> MaskGraph:
    reference = path == level.reference
    return MaskGraph(
        name=path,
        metrics={metric: score_interval(level, path, metric, seed) for metric in MASK_METRICS},
        classes={name: _class_dice(level, path, k, seed) for k, name in enumerate(level.classes[1:])},
        drop_points=None if reference else {name: drop(level, path, name).interval() for name in MASK_METRICS},
        agreement=None if reference else agreement(level, path),
    )


def _class_dice(level: Outcomes, path: str, number: int, seed: int) -> Interval | None:
    rows = [] if level.present is None else np.flatnonzero(level.present[:, number]).tolist()
    groups = [level.samples[row].group for row in rows]
    return mean_interval(level.dice[path][rows, number], groups, np.random.default_rng(seed)) if rows else None
