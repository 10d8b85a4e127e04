"""How well thin bright structures were found: by voxels, by centre lines with a tolerance, and by traces.

A mask of neurites one voxel too thick halves its Dice and loses nothing that matters, so centre lines are compared as well.
Every score here is a pair of shares, `Overlap`, whose counts may be summed over volumes before the shares are taken.
scipy and scikit-image come with the extra `train`; the functions import them when called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeneuro.errors import DataError, ShapeError
from edgeneuro.metrics.confusion import Floats
from edgeneuro.metrics.skeleton import Mask, skeleton
from edgeneuro.neuron import Neuron
from edgeneuro.resampling import resampled
from edgeneuro.spec import Array
from edgeneuro.volume import BACKGROUND, FOREGROUND, IGNORE

TOLERANCES = (0, 1, 2, 4)
"""Voxels, at which the tolerant F1 is reported."""
FAR_VOXELS = 2.0
"""From which distance on a node counts as elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """right of `predicted` are in the truth; found of `labelled` are in the prediction. Voxels, or points of centre lines.

    With nothing on either side, every share is 1, because finding nothing where nothing is, is right; with nothing on one
    side, that side's share is 0, as in edgeneuro.metrics.masks.
    """

    right: int
    predicted: int
    found: int
    labelled: int

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(
            right=self.right + other.right,
            predicted=self.predicted + other.predicted,
            found=self.found + other.found,
            labelled=self.labelled + other.labelled,
        )

    @property
    def precision(self) -> float:
        return self.right / self.predicted if self.predicted else float(not self.labelled)

    @property
    def recall(self) -> float:
        return self.found / self.labelled if self.labelled else float(not self.predicted)

    @property
    def f1(self) -> float:
        """Harmonic mean; of voxels Dice, of `cl_dice` clDice."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True, kw_only=True)
class TraceDistances:
    """Of two reconstructions, um and a share.

    entire: mean of both directed mean nearest distances. different: the same over nodes at least FAR_VOXELS voxels away, the one
    direction where only that has such nodes, 0 where none has. different_share: mean share of such nodes.
    Source: Peng et al. 2010, 10.1038/nbt.1612 (entire and different structure average of Vaa3D; 2 itself counts as far there).
    """

    entire: float
    different: float
    different_share: float


def voxel_overlap(truth: Array, predicted: Array) -> Overlap:
    """truth: 0, 1 and IGNORE. predicted: 0 and 1, or bool, of the same shape. Raises ShapeError, DataError."""
    reference, found = _checked(truth, predicted)
    found = found & (truth != IGNORE)
    both = int(np.count_nonzero(reference & found))
    return Overlap(
        right=both, predicted=int(np.count_nonzero(found)), found=both, labelled=int(np.count_nonzero(reference))
    )


@dataclass(frozen=True, kw_only=True)
class CentreLines:
    """Two masks and their centre lines, thinned once for every score of them. All of one shape; `line`, that of `found`, without
    ignored voxels."""

    reference: Mask
    found: Mask
    true_line: Mask
    line: Mask

    @classmethod
    def of(cls, truth: Array, predicted: Array) -> CentreLines:
        """truth, predicted: as `voxel_overlap`, (y, x) or (z, y, x). Raises ShapeError, DataError."""
        reference, found = _checked(truth, predicted)
        line = skeleton(found) & (truth != IGNORE)
        return cls(reference=reference, found=found, true_line=skeleton(reference), line=line)

    def within(self, tolerances: Sequence[float]) -> dict[float, Overlap]:
        """`tolerant_overlap`."""
        true_points, points = np.argwhere(self.true_line), np.argwhere(self.line)
        away, missed = nearest(points, true_points), nearest(true_points, points)
        return {
            radius: Overlap(
                right=int(np.count_nonzero(away <= radius)),
                predicted=len(points),
                found=int(np.count_nonzero(missed <= radius)),
                labelled=len(true_points),
            )
            for radius in tolerances
        }

    def inside(self) -> Overlap:
        """`cl_dice`."""
        return Overlap(
            right=int(np.count_nonzero(self.line & self.reference)),
            predicted=int(np.count_nonzero(self.line)),
            found=int(np.count_nonzero(self.true_line & self.found)),
            labelled=int(np.count_nonzero(self.true_line)),
        )


def tolerant_overlap(truth: Array, predicted: Array, tolerances: Sequence[float] = TOLERANCES) -> dict[float, Overlap]:
    """By tolerance r, voxels: points of the predicted centre line within r of the true one, and the reverse.

    truth, predicted: as `CentreLines.of`. Predicted points in ignored voxels are left out. Source: Heipke et al. 1997,
    correctness and completeness of roads within a buffer. Raises ShapeError, DataError.
    """
    return CentreLines.of(truth, predicted).within(tolerances)


def cl_dice(truth: Array, predicted: Array) -> Overlap:
    """Predicted centre line inside the true mask, true centre line inside the predicted mask; f1 is clDice.

    truth, predicted: as `CentreLines.of`. Source: Shit et al. 2021, arXiv:2003.07311, eq. 1 and 2. Raises ShapeError, DataError.
    """
    return CentreLines.of(truth, predicted).inside()


def trace_distances(truth: Neuron, predicted: Neuron, voxel_um: float) -> TraceDistances:
    """voxel_um: one voxel, also the step at which both are resampled, so that every piece of neurite counts by its length."""
    ours, theirs = (resampled(neuron, voxel_um).points for neuron in (predicted, truth))
    directed = (nearest(theirs, ours), nearest(ours, theirs))
    far = [distances >= FAR_VOXELS * voxel_um for distances in directed]
    elsewhere = [float(distances[away].mean()) for distances, away in zip(directed, far, strict=True) if away.any()]
    return TraceDistances(
        entire=float(np.mean([distances.mean() for distances in directed])),
        different=float(np.mean(elsewhere)) if elsewhere else 0.0,
        different_share=float(np.mean([away.mean() for away in far])),
    )


def nearest(points: Array, others: Array) -> Floats:
    """(point,) Euclidean distance of each of `points` to the nearest of `others`, infinite where there are none.

    points, others: (point, axis).
    """
    from scipy.spatial import KDTree

    if not len(others) or not len(points):
        return np.full(len(points), np.inf)
    distances: Floats = KDTree(others).query(points)[0]
    return distances


def _checked(truth: Array, predicted: Array) -> tuple[Mask, Mask]:
    """Both as bool masks of the foreground."""
    if truth.shape != predicted.shape or truth.ndim not in (2, 3):
        raise ShapeError(f"mask: got {predicted.shape} against {truth.shape}, expected one shape, (y, x) or (z, y, x)")
    for name, mask, allowed in (
        ("truth", truth, (BACKGROUND, FOREGROUND, IGNORE)),
        ("prediction", predicted, (BACKGROUND, FOREGROUND)),
    ):
        other = np.setdiff1d(mask, allowed)
        if len(other):
            raise DataError(f"{name}: holds the value {other[0]}, expected {', '.join(map(str, allowed))}")
    return truth == FOREGROUND, predicted == FOREGROUND
