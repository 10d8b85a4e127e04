"""Dice and intersection over union of one frame's mask.

A class absent from both masks is left out of the frame's mean; a frame where no class is in either scores 1, because
finding nothing where nothing is, is right; one that only one of the two masks has scores 0. The last two are the rule
of the BraTS challenge, as Isensee et al. 2020 describe it (arXiv:2011.00848); the first keeps rare classes from
lifting every mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeneuro.errors import ShapeError
from edgeneuro.metrics.confusion import Floats, mean_of_defined
from edgeneuro.spec import Array
from edgeneuro.volume import IGNORE

MASK_METRICS = {"dice": "Dice", "iou": "IoU"}
"""Name -> title."""


@dataclass(frozen=True, kw_only=True)
class MaskScores:
    """Of one frame, each (class,) without the background, NaN for a class in neither mask. present: in the truth."""

    dice: Floats
    iou: Floats
    present: Array


def mask_scores(truth: Array, predicted: Array, classes: int) -> MaskScores:
    """truth, predicted: masks of one shape, class number of every pixel or voxel, 0 for background. Where truth is IGNORE, nothing
    counts. classes: with background.

    Raises ShapeError for masks of different shape, or a class number the model does not have.
    """
    if truth.shape != predicted.shape:
        raise ShapeError(f"mask: got {predicted.shape}, expected {truth.shape}, the size of the label mask")
    counted = truth != IGNORE
    truth, predicted = truth[counted], predicted[counted]
    highest = max(int(truth.max(initial=0)), int(predicted.max(initial=0)))
    if highest >= classes:
        raise ShapeError(f"mask: holds class number {highest}, expected 0 to {classes - 1}; is it the model's data?")
    pairs = np.bincount(truth.astype(np.int64) * classes + predicted, minlength=classes * classes)
    counts = pairs.reshape(classes, classes)
    both, labelled, found = (values[1:] for values in (np.diagonal(counts), counts.sum(1), counts.sum(0)))
    union = labelled + found - both
    seen = union > 0
    nothing = np.full(classes - 1, np.nan)
    return MaskScores(
        dice=np.divide(2.0 * both, labelled + found, out=nothing.copy(), where=seen),
        iou=np.divide(both, union, out=nothing, where=seen),
        present=labelled > 0,
    )


def mean_of_classes(scores: Floats) -> Floats:
    """(..., class) -> (...): mean over the classes that are in either mask, 1 where none is."""
    means = mean_of_defined(scores)
    return np.where(np.isnan(means), 1.0, means)
