"""95 % intervals of one graph's metric: percentile bootstrap, groups drawn with replacement.

All frames of a group are drawn together. Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13. With a single group nothing is known about others: the interval is 0 to 1. Where every group is right the
interval has no width; that is the method's limit, not certainty. It is too narrow where groups are few, which is why
what one graph loses against another, and with it the accuracy gate, is judged by edgeneuro.metrics.paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from edgeneuro.errors import DataError
from edgeneuro.manifest import Interval
from edgeneuro.metrics.confusion import Floats, Ints, group_confusions, metric_named, recall

RESAMPLES = 2000
LEVEL = 0.95
_CHUNK_WEIGHTS = 500_000  # weights held at once, 4 MB, so that they stay in the cache


def bootstrap_interval(
    metric: str,
    targets: ArrayLike,
    predicted: ArrayLike,
    groups: Sequence[str],
    classes: int,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval:
    """`metric`, a key of METRICS, with its interval.

    targets, predicted: (frame,) class numbers. groups: one a frame. Raises DataError, InputError.
    """
    score = metric_named(metric)
    per_group = group_confusions(targets, (predicted,), groups, classes)
    scores = score.of_confusion(_resampled(per_group, rng, resamples)[:, 0])
    return percentile_interval(float(score.of_confusion(per_group.sum(0)[0])), scores, len(per_group))


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
    per_group = group_confusions(targets, (predicted,), groups, classes)[:, 0]
    recalls = recall(_resampled(per_group[:, None], rng, resamples)[:, 0])
    values = recall(per_group.sum(0))
    holding = (per_group.sum(-1) > 0).sum(0)
    return tuple(
        None if holding[k] == 0 else percentile_interval(float(values[k]), recalls[:, k], int(holding[k]))
        for k in range(classes)
    )


def mean_interval(
    scores: ArrayLike, groups: Sequence[str], rng: np.random.Generator, resamples: int = RESAMPLES
) -> Interval:
    """Mean of one score a frame, 0 to 1, such as Dice, with its interval. scores: (frame,). Raises DataError."""
    values = np.asarray(scores, np.float64)
    numbers = group_numbers(groups, len(values))
    sums, counts = np.bincount(numbers, values), np.bincount(numbers)
    means = np.concatenate(
        [(weights @ sums) / (weights @ counts) for weights in group_weights(len(counts), rng, resamples)]
    )
    return percentile_interval(float(values.mean()), means, len(counts))


def percentile_interval(value: float, scores: Floats, groups: int) -> Interval:
    """Percentiles of the resamples' scores; 0 to 1, the whole range, where one group is all there is."""
    if np.isnan(value):
        raise DataError("metrics: got no labelled frames, expected at least one; check --data and the split")
    if groups < 2:
        return Interval(value=value, low=0.0, high=1.0)
    tail = 100.0 * (1.0 - LEVEL) / 2
    ends = np.nanpercentile(scores, (tail, 100.0 - tail))
    return Interval(value=value, low=float(ends[0]), high=float(ends[1]))


def group_numbers(groups: Sequence[str], frames: int) -> Ints:
    """(frame,) number of each frame's group, in order of name. Raises DataError for no frames or not as many groups."""
    if len(groups) != frames:
        raise DataError(f"metrics: got {frames} frames and {len(groups)} groups, expected one group a frame")
    if frames == 0:
        raise DataError("metrics: got no frames, expected at least one; check --data and the split")
    numbers: Ints = np.unique(np.asarray(groups, str), return_inverse=True)[1].astype(np.int64)
    return numbers


def group_weights(
    groups: int, rng: np.random.Generator, resamples: int, columns: int | None = None
) -> Iterator[Floats]:
    """(resample, group) how often each group was drawn, in blocks that fit the memory.

    columns: what each row will be spread over, e.g. the frames, where that is more than the groups.
    """
    rows = max(1, _CHUNK_WEIGHTS // max(groups, columns or 0))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = rng.integers(groups, size=(size, groups)) + groups * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * groups).reshape(size, groups).astype(np.float64)


def _resampled(per_group: Ints, rng: np.random.Generator, resamples: int) -> Ints:
    """(group, ...) counts -> (resample, ...): sums over as many groups, drawn with replacement."""
    flat = per_group.reshape(len(per_group), -1).astype(np.float64)  # exact for counts, and BLAS multiplies it
    sums = [weights @ flat for weights in group_weights(len(per_group), rng, resamples)]
    return np.rint(np.concatenate(sums)).astype(np.int64).reshape(resamples, *per_group.shape[1:])
