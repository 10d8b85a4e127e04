"""Accuracy at build time: every graph of the bundle on the same unseen frames, float beside INT8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from edgeneuro.errors import DataError
from edgeneuro.export.outcomes import Floats, Outcomes
from edgeneuro.manifest import Accuracy, Curves, Interval
from edgeneuro.metrics import (
    METRICS,
    Drop,
    bootstrap_interval,
    curves_of,
    drop_of,
    mean_interval,
    mean_of_classes,
    metric_named,
    recall_drops,
    score_drop,
)

SEED = 0
"""Of the bootstrap, so that the same frames give the same interval."""
AGREEMENT = "agreement"
"""What is compared where there are no labels."""
UNKNOWN = Drop(value=0.0, variance=0.0, freedom=0.0, event=0.0, groups=0)
"""Of a class that no frame holds: anything from -100 to 100."""


def accuracy_of(outcomes: Outcomes, *, metric: str, protocol: Literal["grouped", "leaky"]) -> Accuracy:
    """outcomes: by frame, labelled, on groups unseen in training, validation and calibration. metric: the primary one.

    Intervals are resampled by group. Raises DataError without labels.
    """
    if not outcomes.labelled:
        raise DataError(f"{outcomes.data.name}: has frames without label, expected a label for each; give --data")
    graphs = outcomes.graphs
    others = [name for name in _metrics(outcomes) if name != metric]
    return Accuracy(
        data=outcomes.data,
        protocol=protocol,
        metric=metric,
        graphs={path: score_interval(outcomes, path, metric) for path in graphs},
        drop_points={path: drop(outcomes, path, metric).interval() for path in outcomes.others},
        agreement={path: float(outcomes.agreement[path].mean()) for path in outcomes.others},
        others={name: {path: score_interval(outcomes, path, name) for path in graphs} for name in others},
        curves=_curves(outcomes),
    )


def score_interval(outcomes: Outcomes, path: str, metric: str, seed: int = SEED) -> Interval:
    """`metric` of one graph, 0..1, with its interval. seed: of the resamples."""
    rng = np.random.default_rng(seed)
    if metric in ("dice", "iou"):
        return mean_interval(mean_of_classes(_mask_scores(outcomes, metric)[path]), outcomes.groups, rng)
    predicted = outcomes.probabilities[path].argmax(axis=1)
    return bootstrap_interval(metric, outcomes.targets, predicted, outcomes.groups, len(outcomes.classes), rng)


def score(outcomes: Outcomes, path: str, metric: str) -> float:
    """`metric` of one graph, 0..1."""
    if metric in ("dice", "iou"):
        return float(mean_of_classes(_mask_scores(outcomes, metric)[path]).mean())
    predicted = outcomes.probabilities[path].argmax(axis=1)
    return metric_named(metric)(outcomes.targets, predicted, len(outcomes.classes))


def drop(outcomes: Outcomes, path: str, metric: str) -> Drop:
    """What graph `path` loses against the reference graph of `metric`; of AGREEMENT, how far from full agreement."""
    groups = outcomes.groups
    if outcomes.task == "classification":
        reference, predicted = (outcomes.probabilities[name].argmax(axis=1) for name in (outcomes.reference, path))
        classes = len(outcomes.classes)
        if metric == AGREEMENT:
            return drop_of("accuracy", reference, reference, predicted, groups, classes)
        return drop_of(metric, outcomes.targets, reference, predicted, groups, classes)
    if metric == AGREEMENT:
        return score_drop(np.ones(len(groups)), outcomes.agreement[path], groups)
    scores = _mask_scores(outcomes, metric)
    return score_drop(mean_of_classes(scores[outcomes.reference]), mean_of_classes(scores[path]), groups)


def class_drops(outcomes: Outcomes, path: str, metric: str) -> dict[str, tuple[int, Drop]]:
    """Class -> how many units hold it, and what graph `path` loses of it: of its recall; of the Dice of the units whose
    label mask holds it; without labels, of the agreement on what the reference graph gives that class. Nothing for
    masks without labels and for tensors."""
    if outcomes.task == "classification":
        reference, predicted = (outcomes.probabilities[name].argmax(axis=1) for name in (outcomes.reference, path))
        truth = reference if metric == AGREEMENT else outcomes.targets
        drops = recall_drops(truth, reference, predicted, outcomes.groups, len(outcomes.classes))
        counts = np.bincount(truth, minlength=len(outcomes.classes))
        return {name: (int(counts[k]), drops[k] or UNKNOWN) for k, name in enumerate(outcomes.classes)}
    if metric == AGREEMENT or outcomes.present is None:
        return {}
    found: dict[str, tuple[int, Drop]] = {}
    scores = _mask_scores(outcomes, metric)
    for k, name in enumerate(outcomes.classes[1:]):
        rows = np.flatnonzero(outcomes.present[:, k])
        pair = (scores[outcomes.reference][rows, k], scores[path][rows, k])
        groups = [outcomes.samples[i].group for i in rows]
        found[name] = (len(rows), score_drop(*pair, groups) if groups else UNKNOWN)
    return found


def line_drop(outcomes: Outcomes, path: str) -> tuple[int, Drop] | None:
    """How many units hold a labelled centre line, and what graph `path` loses of its tolerant recall; None where none was
    compared."""
    if not outcomes.tolerant_recall:
        return None
    pair = outcomes.tolerant_recall[outcomes.reference], outcomes.tolerant_recall[path]
    rows = np.flatnonzero(~np.isnan(pair[0]))
    groups = [outcomes.samples[i].group for i in rows]
    return len(rows), score_drop(pair[0][rows], pair[1][rows], groups) if groups else UNKNOWN


def agreement(outcomes: Outcomes, path: str) -> Interval:
    """Of graph `path` with the reference graph, 0..1, mean over the units."""
    lost = drop(outcomes, path, AGREEMENT).interval()
    high = min(1.0, 1.0 - lost.low / 100.0)
    return Interval(value=1.0 - lost.value / 100.0, low=1.0 - lost.high / 100.0, high=high)


def _curves(outcomes: Outcomes) -> dict[str, Curves]:
    if outcomes.task != "classification":
        return {}
    return {
        path: curves_of(table, outcomes.targets, outcomes.groups, outcomes.classes, np.random.default_rng(SEED))
        for path, table in outcomes.probabilities.items()
    }


def _metrics(outcomes: Outcomes) -> tuple[str, ...]:
    return ("dice", "iou") if outcomes.task == "segmentation" else tuple(METRICS)


def _mask_scores(outcomes: Outcomes, metric: str) -> Mapping[str, Floats]:
    return outcomes.dice if metric == "dice" else outcomes.iou
