"""Scores of several runs of one method on the same test frames: their mean, with what runs and groups leave open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeneuro.manifest import Interval
from edgeneuro.metrics import LEVEL, METRICS, RESAMPLES
from edgeneuro.metrics.confusion import group_confusions
from edgeneuro.metrics.resample import group_weights


def mean_over_seeds(
    metric: str, targets: ArrayLike, runs: Sequence[ArrayLike], groups: Sequence[str], classes: int, seed: int
) -> Interval:
    """Mean of `metric` over runs, 0..1, with a percentile interval: groups and runs are both drawn again.

    runs: (frame,) class numbers each. With one run nothing is known of how runs differ, and the interval is of groups alone.
    """
    value, scores = _resampled(metric, targets, [runs], groups, classes, seed)
    return _interval(value[0], scores[:, 0])


def difference_over_seeds(
    metric: str,
    targets: ArrayLike,
    runs: Sequence[ArrayLike],
    reference: Sequence[ArrayLike],
    groups: Sequence[str],
    classes: int,
    seed: int,
) -> Interval:
    """Mean of `metric` over `runs` minus that over `reference`, points; the same groups are drawn for both, runs apart."""
    value, scores = _resampled(metric, targets, [runs, reference], groups, classes, seed)
    return _interval(100 * (value[0] - value[1]), 100 * (scores[:, 0] - scores[:, 1]))


def _resampled(
    metric: str,
    targets: ArrayLike,
    methods: Sequence[Sequence[ArrayLike]],
    groups: Sequence[str],
    classes: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(method,) means, and (resample, method) means of resamples."""
    rng, score = np.random.default_rng(seed), METRICS[metric]
    every = [run for runs in methods for run in runs]
    counts = group_confusions(targets, every, groups, classes)  # (group, run, true, predicted)
    drawn = group_weights(len(counts), rng, RESAMPLES)
    tables = np.concatenate([np.tensordot(weights, counts, axes=1) for weights in drawn])
    whole, scores = score.of_confusion(counts.sum(0)), score.of_confusion(tables)
    ends = np.cumsum([len(runs) for runs in methods])
    values, resampled = [], []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        picks = rng.integers(start, end, (RESAMPLES, end - start))
        values.append(whole[start:end].mean())
        resampled.append(np.take_along_axis(scores, picks, axis=1).mean(1))
    return np.array(values), np.stack(resampled, axis=1)


def _interval(value: float, scores: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value=float(value), low=float(low), high=float(high))
