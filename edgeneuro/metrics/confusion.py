"""Metrics that are functions of the confusion matrix alone, rows the true class, columns the predicted one.

A resample of groups is then a weighted sum of the groups' own matrices, so thousands of resamples are one product.

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

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score between 0 and 1, larger is better. of_confusion: (..., true, predicted) counts -> (...) scores.

    by_class: whether every class counts alike, however few frames it has.
    """

    name: str
    title: str
    of_confusion: Callable[[NDArray[Any]], Floats]
    by_class: bool = True

    def __call__(self, targets: ArrayLike, predicted: ArrayLike, classes: int) -> float:
        """targets, predicted: (frame,) class numbers below `classes`. NaN for no frames. Raises DataError."""
        return float(self.of_confusion(confusion_matrix(targets, predicted, classes)))


def confusion_matrix(targets: ArrayLike, predicted: ArrayLike, classes: int) -> Ints:
    """(true, predicted) counts, (classes, classes). Raises DataError for a class number out of range."""
    true, guess = _checked(targets, predicted, classes)
    return np.bincount(true * classes + guess, minlength=classes * classes).reshape(classes, classes)


def group_confusions(targets: ArrayLike, predictions: Sequence[ArrayLike], groups: Sequence[str], classes: int) -> Ints:
    """(group, prediction, true, predicted) counts, groups in order of name. Raises DataError."""
    names, group = np.unique(np.asarray(groups, str), return_inverse=True)
    counts = np.zeros((len(names), len(predictions), classes, classes), np.int64)
    for i, predicted in enumerate(predictions):
        true, guess = _checked(targets, predicted, classes)
        if len(true) != len(group):
            raise DataError(f"metrics: got {len(true)} frames and {len(group)} groups, expected one group a frame")
        np.add.at(counts[:, i], (group, true, guess), 1)
    if len(names) == 0:
        raise DataError("metrics: got no frames, expected at least one; check --data and the split")
    return counts


def per_class_recall(targets: ArrayLike, predicted: ArrayLike, classes: int) -> Floats:
    """(class,) share of each class's frames that were found; NaN for a class without frames."""
    return recall(confusion_matrix(targets, predicted, classes))


def recall(confusion: NDArray[Any]) -> Floats:
    """(..., true, predicted) counts -> (..., class); NaN for a class without frames."""
    return _ratio(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1))


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """part / whole, NaN where whole is 0."""
    shares: Floats = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=shares, where=np.asarray(whole) > 0)
    return shares


def mean_of_defined(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(-1), defined.sum(-1))


def _accuracy(confusion: NDArray[Any]) -> Floats:
    return _ratio(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


def _balanced_accuracy(confusion: NDArray[Any]) -> Floats:
    return mean_of_defined(recall(confusion))


def _macro_f1(confusion: NDArray[Any]) -> Floats:
    found = 2 * np.diagonal(confusion, axis1=-2, axis2=-1)
    return mean_of_defined(_ratio(found, confusion.sum(-1) + confusion.sum(-2)))


accuracy = Metric(name="accuracy", title="accuracy", of_confusion=_accuracy, by_class=False)
balanced_accuracy = Metric(name="balanced_accuracy", title="balanced accuracy", of_confusion=_balanced_accuracy)
macro_f1 = Metric(name="macro_f1", title="macro-F1", of_confusion=_macro_f1)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in (accuracy, balanced_accuracy, macro_f1)}


def metric_named(name: str) -> Metric:
    """Raises InputError with the known names."""
    if name not in METRICS:
        raise InputError(f"metric {name!r}: is not known; expected one of {', '.join(METRICS)}")
    return METRICS[name]


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
