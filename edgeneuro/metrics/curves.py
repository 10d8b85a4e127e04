"""What depends on probabilities and not only on the predicted class: ROC curve and calibration.

One class against the rest: its probability is the score. Of two classes only the second is taken as positive for the
area under the curve, because the first one's curve is the same seen from the other side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeneuro.errors import DataError
from edgeneuro.manifest import Curves, Interval
from edgeneuro.metrics.confusion import Floats, Ints, mean_of_defined
from edgeneuro.metrics.resample import RESAMPLES, group_numbers, group_weights, percentile_interval

SPECIFICITY = 0.90
"""At which sensitivity is reported: one healthy frame in ten called ill."""
CALIBRATION_BINS = 15


def roc_auc(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """Area under the ROC curve, ties counted half; of more than two classes the mean of each against the rest, over
    the classes for which there are frames of it and of others. NaN where there is none.

    probabilities: (frame, class). targets: (frame,). Source: Hanley and McNeil 1982, Radiology 143:29; mean over
    classes: Provost and Domingos 2000.
    """
    table, labels = _checked(probabilities, targets)
    return float(_areas(table, labels, np.ones((1, len(labels))))[0])


def auc_interval(
    probabilities: ArrayLike,
    targets: ArrayLike,
    groups: Sequence[str],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval | None:
    """`roc_auc` with its bootstrap interval over groups; None where it is not defined."""
    table, labels = _checked(probabilities, targets)
    value = roc_auc(table, labels)
    if np.isnan(value):
        return None
    numbers = group_numbers(groups, len(labels))
    count = int(numbers.max()) + 1
    scores = [_areas(table, labels, drawn[:, numbers]) for drawn in group_weights(count, rng, resamples, len(labels))]
    return percentile_interval(value, np.concatenate(scores), count)


def sensitivity_at_specificity(scores: ArrayLike, positive: ArrayLike, specificity: float = SPECIFICITY) -> float:
    """Largest share of positive frames found by a threshold that leaves at least `specificity` of the others alone.

    scores: (frame,). positive: (frame,) bool. NaN without frames on both sides. The threshold is chosen on the same
    frames, so it says what the ranking allows, not what a threshold fixed beforehand would reach.
    """
    found, wrong = _curve(np.asarray(scores, np.float64), np.asarray(positive, bool), np.ones((1, np.size(scores))))
    return float(_sensitivity(found, wrong, specificity)[0])


def sensitivity_intervals(
    probabilities: ArrayLike,
    targets: ArrayLike,
    groups: Sequence[str],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> tuple[Interval | None, ...]:
    """Each class against the rest, at SPECIFICITY, with its bootstrap interval over groups; every resample has its own
    threshold. None for a class without frames, or without frames of others."""
    table, labels = _checked(probabilities, targets)
    numbers = group_numbers(groups, len(labels))
    count = int(numbers.max()) + 1
    blocks: list[Floats] = []
    for drawn in group_weights(count, rng, resamples, len(labels)):
        weights = drawn[:, numbers]
        found = [_sensitivity(*_curve(table[:, k], labels == k, weights), SPECIFICITY) for k in range(table.shape[1])]
        blocks.append(np.stack(found, axis=1))
    resampled = np.concatenate(blocks)
    intervals: list[Interval | None] = []
    for k in range(table.shape[1]):
        value = sensitivity_at_specificity(table[:, k], labels == k)
        holding = len(set(numbers[labels == k].tolist()))
        intervals.append(None if np.isnan(value) else percentile_interval(value, resampled[:, k], holding))
    return tuple(intervals)


def calibration_error(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """Expected calibration error of the predicted class: mean over frames of |accuracy - mean confidence| in its bin.

    15 bins of equal width, ((m - 1) / 15, m / 15]. Biased upwards where bins hold few frames, and more so in every
    resample, so it is given without an interval. Source: Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    table, labels = _checked(probabilities, targets)
    confidence = table.max(axis=1)
    right = table.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def curves_of(
    probabilities: ArrayLike, targets: ArrayLike, groups: Sequence[str], classes: Sequence[str], seed: int
) -> Curves:
    """All of the above of one graph. classes: their names. seed: of the resamples."""
    found = sensitivity_intervals(probabilities, targets, groups, np.random.default_rng(seed))
    return Curves(
        auc=auc_interval(probabilities, targets, groups, np.random.default_rng(seed)),
        sensitivity=dict(zip(classes, found, strict=True)),
        calibration_error=calibration_error(probabilities, targets),
    )


def _areas(table: Floats, labels: Ints, weights: Floats) -> Floats:
    """(resample, frame) weights -> (resample,)."""
    classes = [1] if table.shape[1] == 2 else range(table.shape[1])
    areas = np.stack([_area(*_curve(table[:, k], labels == k, weights)) for k in classes], axis=1)
    return mean_of_defined(areas)


def _curve(scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """(resample, threshold) weight of the positive frames, and of the others, at or above each distinct score, from
    the highest score down."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    ranked = weights[:, order]
    hits = np.add.reduceat(ranked * positive[order], starts, axis=1)
    misses = np.add.reduceat(ranked * ~positive[order], starts, axis=1)
    return np.cumsum(hits, axis=1), np.cumsum(misses, axis=1)


def _area(found: Floats, wrong: Floats) -> Floats:
    """Trapezes under (wrong, found), NaN where there are no positive frames or no others."""
    steps = np.diff(wrong, axis=1, prepend=0.0)
    heights = found - np.diff(found, axis=1, prepend=0.0) / 2
    whole = found[:, -1] * wrong[:, -1]
    area: Floats = np.divide((steps * heights).sum(1), whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return area


def _sensitivity(found: Floats, wrong: Floats, specificity: float) -> Floats:
    allowed = wrong <= (1.0 - specificity) * wrong[:, -1:] + 1e-9  # 1 - 0.9 is a little less than 0.1
    best = np.where(allowed, found, 0.0).max(axis=1)
    defined = (found[:, -1] > 0) & (wrong[:, -1] > 0)
    share: Floats = np.divide(best, found[:, -1], out=np.full(len(best), np.nan), where=defined)
    return share


def _checked(probabilities: ArrayLike, targets: ArrayLike) -> tuple[Floats, Ints]:
    table, labels = np.asarray(probabilities, np.float64), np.asarray(targets, np.int64)
    if table.ndim != 2 or labels.shape != (len(table),) or len(table) == 0:
        raise DataError(
            f"metrics: got probabilities {table.shape} and targets {labels.shape}, expected (frame, class) and one "
            "class number a frame, at least one"
        )
    return table, labels
