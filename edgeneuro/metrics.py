"""Classification metrics with 95 % intervals, resampled by group because frames of one patient are not independent.

Every metric here is a function of the confusion matrix alone, rows the true class, columns the predicted one. A
resample of groups is then a weighted sum of the groups' own matrices, so thousands of resamples are one product.

Classes without a single frame in a sample or resample: recall-based metrics average over the classes that occur;
macro-F1 over the classes that occur or were predicted (as scikit-learn does). Nothing is counted as 0 or as 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeneuro.errors import DataError, InputError
from edgeneuro.manifest import Interval

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

RESAMPLES = 2000
LEVEL = 0.95
_CHUNK_WEIGHTS = 4_000_000  # group weights held at once, 32 MB


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score between 0 and 1, larger is better. of_confusion: (..., true, predicted) counts -> (...) scores."""

    name: str
    title: str
    of_confusion: Callable[[Ints], Floats]

    def __call__(self, targets: ArrayLike, predicted: ArrayLike, classes: int) -> float:
        """targets, predicted: (frame,) class numbers below `classes`. NaN for no frames. Raises DataError."""
        return float(self.of_confusion(confusion_matrix(targets, predicted, classes)))


def confusion_matrix(targets: ArrayLike, predicted: ArrayLike, classes: int) -> Ints:
    """(true, predicted) counts, (classes, classes). Raises DataError for a class number out of range."""
    true, guess = _checked(targets, predicted, classes)
    return np.bincount(true * classes + guess, minlength=classes * classes).reshape(classes, classes)


def per_class_recall(targets: ArrayLike, predicted: ArrayLike, classes: int) -> Floats:
    """(class,) share of each class's frames that were found; NaN for a class without frames."""
    return _recall(confusion_matrix(targets, predicted, classes))


def _recall(confusion: Ints) -> Floats:
    return _ratio(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1))


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """part / whole, NaN where whole is 0."""
    shares: Floats = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=shares, where=np.asarray(whole) > 0)
    return shares


def _mean_of_defined(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(-1), defined.sum(-1))


def _accuracy(confusion: Ints) -> Floats:
    return _ratio(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


def _balanced_accuracy(confusion: Ints) -> Floats:
    return _mean_of_defined(_recall(confusion))


def _macro_f1(confusion: Ints) -> Floats:
    found = 2 * np.diagonal(confusion, axis1=-2, axis2=-1)
    return _mean_of_defined(_ratio(found, confusion.sum(-1) + confusion.sum(-2)))


accuracy = Metric(name="accuracy", title="accuracy", of_confusion=_accuracy)
balanced_accuracy = Metric(name="balanced_accuracy", title="balanced accuracy", of_confusion=_balanced_accuracy)
macro_f1 = Metric(name="macro_f1", title="macro-F1", of_confusion=_macro_f1)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in (accuracy, balanced_accuracy, macro_f1)}


def metric_named(name: str) -> Metric:
    """Raises InputError with the known names."""
    if name not in METRICS:
        raise InputError(f"metric {name!r}: is not known; expected one of {', '.join(METRICS)}")
    return METRICS[name]


def bootstrap_interval(
    metric: str,
    targets: ArrayLike,
    predicted: ArrayLike,
    groups: Sequence[str],
    classes: int,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval:
    """`metric` with its percentile bootstrap interval: groups drawn with replacement, all frames of a group together.

    targets, predicted: (frame,) class numbers. groups: one a frame. Source: Efron and Tibshirani, An Introduction to
    the Bootstrap, 1993, chapter 13. With a single group nothing is known about others: the interval is 0 to 1.
    Where every group is right the interval has no width; that is the method's limit, not certainty.
    """
    score = metric_named(metric)
    per_group = _group_confusions(targets, (predicted,), groups, classes)
    scores = score.of_confusion(_resampled(per_group, rng, resamples)[:, 0])
    return _interval(float(score.of_confusion(per_group.sum(0)[0])), scores, len(per_group), low=0.0, high=1.0)


def recall_intervals(
    targets: ArrayLike,
    predicted: ArrayLike,
    groups: Sequence[str],
    classes: int,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> tuple[Interval | None, ...]:
    """One interval a class, None for a class without frames; resamples without the class are left out of its interval,
    and a class found in one group only has the interval 0 to 1."""
    per_group = _group_confusions(targets, (predicted,), groups, classes)[:, 0]
    recalls = _recall(_resampled(per_group[:, None], rng, resamples)[:, 0])
    values = _recall(per_group.sum(0))
    holding = (per_group.sum(-1) > 0).sum(0)
    return tuple(
        None if holding[k] == 0 else _interval(float(values[k]), recalls[:, k], int(holding[k]), low=0.0, high=1.0)
        for k in range(classes)
    )


def drop_interval(
    metric: str,
    targets: ArrayLike,
    reference: ArrayLike,
    predicted: ArrayLike,
    groups: Sequence[str],
    classes: int,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval:
    """What `predicted` loses against `reference`, in percentage points: positive is worse.

    Paired: both are scored on the same frames and on the same resampled groups.
    """
    score = metric_named(metric).of_confusion
    per_group = _group_confusions(targets, (reference, predicted), groups, classes)
    scores = 100.0 * score(_resampled(per_group, rng, resamples))
    value = 100.0 * score(per_group.sum(0))
    drops = scores[:, 0] - scores[:, 1]
    return _interval(float(value[0] - value[1]), drops, len(per_group), low=-100.0, high=100.0)


def agreement_interval(
    reference: ArrayLike,
    predicted: ArrayLike,
    groups: Sequence[str],
    classes: int,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval:
    """Share of frames to which `predicted` gives the same class as `reference`; needs no labels."""
    return bootstrap_interval("accuracy", reference, predicted, groups, classes, rng, resamples)


def _interval(value: float, scores: Floats, groups: int, *, low: float, high: float) -> Interval:
    """Percentiles of the resamples; `low` to `high`, the whole range, where one group is all there is."""
    if np.isnan(value):
        raise DataError("metrics: got no labelled frames, expected at least one; check --data and the split")
    if groups < 2:
        return Interval(value=value, low=low, high=high)
    tail = 100.0 * (1.0 - LEVEL) / 2
    ends = np.nanpercentile(scores, (tail, 100.0 - tail))
    return Interval(value=value, low=float(ends[0]), high=float(ends[1]))


def _group_confusions(
    targets: ArrayLike, predictions: Sequence[ArrayLike], groups: Sequence[str], classes: int
) -> Ints:
    """(group, prediction, true, predicted) counts."""
    names, group = np.unique(np.asarray(groups, str), return_inverse=True)
    counts = np.zeros((len(names), len(predictions), classes, classes), np.int64)
    for i, predicted in enumerate(predictions):
        true, guess = _checked(targets, predicted, classes)
        if len(true) != len(group):
            raise DataError(f"metrics: got {len(true)} frames and {len(group)} groups, expected one group a frame")
        np.add.at(counts[:, i], (group, true, guess), 1)
    return counts


def _resampled(per_group: Ints, rng: np.random.Generator, resamples: int) -> Ints:
    """(group, ...) counts -> (resample, ...): sums over as many groups, drawn with replacement."""
    groups = len(per_group)
    if groups == 0:
        raise DataError("metrics: got no frames, expected at least one; check --data and the split")
    flat = per_group.reshape(groups, -1).astype(np.float64)  # exact for counts, and BLAS multiplies it
    rows = max(1, _CHUNK_WEIGHTS // groups)
    sums = []
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = rng.integers(groups, size=(size, groups)) + groups * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * groups).reshape(size, groups)
        sums.append(weights.astype(np.float64) @ flat)
    return np.rint(np.concatenate(sums)).astype(np.int64).reshape(resamples, *per_group.shape[1:])


def _checked(targets: ArrayLike, predicted: ArrayLike, classes: int) -> tuple[Ints, Ints]:
    true, guess = np.asarray(targets, np.int64), np.asarray(predicted, np.int64)
    if true.shape != guess.shape or true.ndim != 1:
        raise DataError(
            f"metrics: got targets {true.shape} and predictions {guess.shape}, expected one class number a frame in each"
        )
    for what, values in (("target", true), ("predicted class", guess)):
        if values.size and (values.min() < 0 or values.max() >= classes):
            raise DataError(
                f"metrics: got {what} {values.min()} to {values.max()}, expected 0 to {classes - 1}; "
                "are the classes those of the model?"
            )
    return true, guess


@dataclass(frozen=True, kw_only=True)
class Exams:
    """Frames put together by exam unit, in the order in which the units first appear.

    probabilities: (unit, class) mean over the unit's frames. targets: (unit,). first: (unit,) number of each unit's
    first frame, by which its group is found.
    """

    units: tuple[str, ...]
    probabilities: Floats
    targets: Ints
    first: Ints


def aggregate(probabilities: ArrayLike, targets: ArrayLike, units: Sequence[str]) -> Exams:
    """Mean of the probabilities of each unit's frames.

    probabilities: (frame, class). targets: (frame,). units: one a frame, e.g. the video.
    Raises DataError for a unit whose frames have different labels.
    """
    frames, labels = np.asarray(probabilities, np.float64), np.asarray(targets, np.int64)
    if frames.ndim != 2 or labels.shape != (len(frames),) or len(units) != len(frames):
        raise DataError(
            f"aggregate: got probabilities {frames.shape}, targets {labels.shape} and {len(units)} units, "
            "expected (frame, class), (frame,) and one unit a frame"
        )
    names, first, unit = np.unique(np.asarray(units, str), return_index=True, return_inverse=True)
    mixed = labels != labels[first][unit]
    if mixed.any():
        row = int(np.flatnonzero(mixed)[0])
        raise DataError(
            f"unit {units[row]!r}: has frames of class {labels[first[unit[row]]]} and of class {labels[row]}, "
            "expected one label a unit; choose another column for --by"
        )
    sums = np.zeros((len(names), frames.shape[1]))
    np.add.at(sums, unit, frames)
    means = sums / np.bincount(unit, minlength=len(names))[:, None]
    order = np.argsort(first)
    return Exams(
        units=tuple(str(names[i]) for i in order),
        probabilities=means[order],
        targets=labels[first][order],
        first=first[order],
    )
