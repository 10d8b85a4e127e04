"""How well neurites were found, from counts that each method keeps of each frame: one file a fold, so that networks and
methods without learning are scored alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from edgeneuro.benchmarks.out_of_fold import Fold, frame_id
from edgeneuro.data.sample import Sample
from edgeneuro.manifest import Interval
from edgeneuro.metrics import RESAMPLES
from edgeneuro.metrics.confusion import Floats
from edgeneuro.metrics.resample import group_numbers, group_weights, percentile_interval
from edgeneuro.metrics.tubes import TOLERANCES, CentreLines, Overlap, voxel_overlap
from edgeneuro.spec import Array

VOXELS, CENTRE_LINES = "voxels", "centre lines"
MEASURES = (VOXELS, *(f"within {radius}" for radius in TOLERANCES), CENTRE_LINES)
"""Whose counts are kept: of voxels, of centre lines within so many voxels of each other, of centre lines within masks."""
COUNTS = 4
"""Numbers of an `Overlap`, in the order of its fields."""

Score: TypeAlias = Callable[[Array], Floats]
"""(..., count) -> (...), 0 to 1."""


def frame_overlaps(truth: Array, predicted: Array) -> dict[str, Overlap]:
    """Measure -> overlap of one frame or volume; masks as edgeneuro.metrics.tubes has them. Raises ShapeError, DataError."""
    lines = CentreLines.of(truth, predicted)
    tolerant = lines.within(TOLERANCES)
    return {
        VOXELS: voxel_overlap(truth, predicted),
        **{f"within {radius}": tolerant[radius] for radius in TOLERANCES},
        CENTRE_LINES: lines.inside(),
    }


def as_fold(samples: Sequence[Sample], overlaps: Sequence[Mapping[str, Overlap]], facts: Mapping[str, Any]) -> Fold:
    """What is kept of a fold: as its tables, measure -> (frame, COUNTS). facts: "title" is the name of the method in tables."""
    tables = {
        measure: np.array([overlap_numbers(found[measure]) for found in overlaps], np.float64).reshape(-1, COUNTS)
        for measure in MEASURES
    }
    return Fold(ids=tuple(map(frame_id, samples)), tables=tables, facts=facts)


def f1(counts: Array) -> Floats:
    """(..., COUNTS) -> (...): `Overlap.f1`."""
    right, predicted, _, labelled = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    precision, found = np.where(predicted > 0, right / np.maximum(predicted, 1), labelled == 0), recall(counts)
    total = precision + found
    scores: Floats = np.divide(2 * precision * found, total, out=np.zeros_like(total), where=total > 0)
    return scores


def recall(counts: Array) -> Floats:
    """(..., COUNTS) -> (...): `Overlap.recall`."""
    _, predicted, found, labelled = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    shares: Floats = np.where(labelled > 0, found / np.maximum(labelled, 1), predicted == 0)
    return shares


def mean_f1(counts: Array, groups: Sequence[str], seed: int = 0) -> Interval:
    """Mean over frames of each one's F1, Dice where the counts are of voxels. counts: ([run,] frame, COUNTS), as for `pooled`."""
    scores = f1(counts)
    return pooled(np.stack([scores, np.ones_like(scores)], -1), groups, _mean, seed)


def pooled_f1(counts: Array, groups: Sequence[str], seed: int = 0) -> Interval:
    """F1 of the counts of all frames together. counts: ([run,] frame, COUNTS), as for `pooled`."""
    return pooled(counts, groups, f1, seed)


def pooled(counts: Array, groups: Sequence[str], score: Score, seed: int = 0) -> Interval:
    """`score` of the sum over frames, the mean of runs; for the interval groups are drawn again, and runs as well.

    counts: ([run,] frame, count), groups: (frame,).
    """
    value, drawn = _resampled([counts], groups, score, seed)
    return percentile_interval(value[0], drawn[:, 0], len(set(groups)))


def difference(counts: Array, reference: Array, groups: Sequence[str], score: Score = f1, seed: int = 0) -> Interval:
    """`pooled` of `counts` minus that of `reference`, -1 to 1, paired: the same groups are drawn for both, runs apart."""
    value, drawn = _resampled([counts, reference], groups, score, seed)
    gained = value[0] - value[1]
    if len(set(groups)) < 2:
        return Interval(value=gained, low=-1.0, high=1.0)
    return percentile_interval(gained, drawn[:, 0] - drawn[:, 1], len(set(groups)))


def _mean(sums: Array) -> Floats:
    means: Floats = sums[..., 0] / sums[..., 1]
    return means


def _resampled(methods: Sequence[Array], groups: Sequence[str], score: Score, seed: int) -> tuple[list[float], Floats]:
    """Score of each method, mean of its runs, and (resample, method) those of resamples."""
    rng = np.random.default_rng(seed)
    runs = [np.asarray(counts, np.float64).reshape(-1, *np.shape(counts)[-2:]) for counts in methods]
    every = np.concatenate(runs)
    numbers = group_numbers(groups, every.shape[1])
    sums: Floats = np.zeros((numbers.max() + 1, len(every), every.shape[2]))
    np.add.at(sums, numbers, every.swapaxes(0, 1))
    drawn = np.concatenate(
        [score(np.tensordot(weights, sums, axes=1)) for weights in group_weights(len(sums), rng, RESAMPLES)]
    )
    whole, ends = score(sums.sum(0)), np.cumsum([len(counts) for counts in runs])
    values, columns = [], []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        picks = rng.integers(start, end, (RESAMPLES, end - start))
        values.append(float(whole[start:end].mean()))
        columns.append(np.take_along_axis(drawn, picks, axis=1).mean(1))
    return values, np.stack(columns, 1)


def overlap_numbers(overlap: Overlap) -> tuple[int, ...]:
    """COUNTS of them."""
    return overlap.right, overlap.predicted, overlap.found, overlap.labelled
