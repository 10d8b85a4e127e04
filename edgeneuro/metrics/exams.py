"""Frames put together by exam unit, such as a video or a muscle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from edgeneuro.errors import DataError
from edgeneuro.metrics.confusion import Floats, Ints


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
    names, means, first = mean_of_units(frames, units)
    member = {name: i for i, name in enumerate(names)}
    for row, unit in enumerate(units):
        expected = labels[first[member[str(unit)]]]
        if labels[row] != expected:
            raise DataError(
                f"unit {unit!r}: has frames of class {expected} and of class {labels[row]}, "
                "expected one label a unit; choose another column for --by"
            )
    return Exams(units=names, probabilities=means, targets=labels[first], first=first)


def mean_of_units(values: Floats, units: Sequence[str]) -> tuple[tuple[str, ...], Floats, Ints]:
    """(frame, ...) values -> unit names in order of appearance, (unit, ...) means without NaN (NaN where all are), and
    the number of each unit's first frame."""
    names, first, unit = np.unique(np.asarray(units, str), return_index=True, return_inverse=True)
    known = ~np.isnan(values)
    sums, counts = (np.zeros((len(names), *values.shape[1:])) for _ in range(2))
    np.add.at(sums, unit, np.where(known, values, 0.0))
    np.add.at(counts, unit, known)
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    order = np.argsort(first)
    return tuple(str(names[i]) for i in order), means[order], first[order]
