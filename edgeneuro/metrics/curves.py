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
    return float(_scores(table, labels, np.ones((1, len(labels))))[0][0])


def sensitivity_at_specificity(scores: ArrayLike, positive: ArrayLike, specificity: float = SPECIFICITY) -> float:
    """Largest share of positive frames found by a threshold that leaves at least `specificity` of the others alone.

    scores: (frame,). positive: (frame,) bool. NaN without frames on both sides. The threshold is chosen on the same
    frames, so it says what the ranking allows, not what a threshold fixed beforehand would reach.
    """
    found, wrong = _curve(np.asarray(scores, np.float64), np.asarray(positive, bool), np.ones((1, np.size(scores))))
    return float(_sensitivity(found, wrong, specificity)[0])


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
    probabilities: ArrayLike,
    targets: ArrayLike,
    groups: Sequence[str],
    classes: Sequence[str],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Curves:
    """All of the above of one graph, each class against the rest, with bootstrap intervals over groups.

    classes: their names. Every resample has its own threshold. None for what is not defined: a class without frames, or
    without frames of others. Raises DataError.
    """
    table, labels = _checked(probabilities, targets)
    numbers = group_numbers(groups, len(labels))
    count = int(numbers.max()) + 1
    blocks = [_scores(table, labels, drawn[:, numbers]) for drawn in group_weights(count, rng, resamples, len(labels))]
    areas, found = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    sensitivity: dict[str, Interval | None] = {}
    for k, name in enumerate(classes):
        value = sensitivity_at_specificity(table[:, k], labels == k)
        holding = len(set(numbers[labels == k].tolist()))
        sensitivity[name] = None if np.isnan(value) else percentile_interval(value, found[:, k], holding)
    area = roc_auc(table, labels)
    return Curves(
        auc=None if np.isnan(area) else percentile_interval(area, areas, count),
        sensitivity=sensitivity,
        calibration_error=calibration_error(table, labels),
    )


def _scores(table: Floats, labels: Ints, weights: Floats) -> tuple[Floats, Floats]:
    """(resample, frame) weights -> (resample,) mean area, (resample, class) sensitivity at SPECIFICITY."""
    curves = [_curve(table[:, k], labels == k, weights) for k in range(table.shape[1])]
    areas = np.stack([_area(*curve) for curve in (curves[1:] if len(curves) == 2 else curves)], axis=1)
    return mean_of_defined(areas), np.stack([_sensitivity(*curve, SPECIFICITY) for curve in curves], axis=1)


def _curve(scores: Floats, positive: NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """(resample, threshold) weight of the positive frames, and of the others, at or above each distinct score, from
    the highest score down."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(scores[order]) != 0, True])  # of the frames with one score
    ranked = weights[:, order]
    every = np.cumsum(ranked, axis=1)[:, last]
    found = np.cumsum(np.multiply(ranked, positive[order], out=ranked), axis=1)[:, last]
    return found, every - found


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
