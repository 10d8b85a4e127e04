"""Estimates of dimension side by side, so that none is read alone: the graph-distance estimator over its settings, with what p(r) would look
like on a sphere and in a Gaussian of the dimension found, and estimators that look at other things.

Published values of 41 for grey and 118 for natural images stand on single settings of the first; see edgeneuro.v1.dimension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.recordings import Recording
from edgeneuro.data.recordings.recording import Numbers
from edgeneuro.errors import DataError
from edgeneuro.spec import Array
from edgeneuro.v1.dimension import Curve, GraphDimension, fit_dimension, path_lengths
from edgeneuro.v1.variance_spectrum import PowerLaw, cross_validated_power_law, participation_ratio

NEIGHBOURS = (4, 9, 13)
METRICS = ("euclidean", "cosine")
BINS = (50, 100, 200)
MOST_TRIALS = 2800
STEADY = 1.25
"""Largest over smallest estimate up to which settings are said to agree."""
DANCO_POINTS = (20, 5000)
DANCO_LIMIT = 100
"""Points and dimensions that the calibration scikit-dimension brings for DANCo holds for."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell of the table. metric: of the neighbour search; bins: of the histogram."""

    neighbours: int
    metric: str
    bins: int
    found: GraphDimension


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """p(r) of as many points, with as many neighbours and bins, on a sphere and in a Gaussian of the dimension found: where they do not
    lie on the data's curve, which is in the table's row, the estimate means little. fitted_*: what the estimator makes of them."""

    neighbours: int
    metric: str
    bins: int
    dimension: int
    sphere: Curve
    gaussian: Curve
    fitted_sphere: float | None
    fitted_gaussian: float | None


@dataclass(frozen=True, kw_only=True)
class DimensionTable:
    """rows: every metric with every number of neighbours and bins. overlays: one a metric and number of neighbours, at the middle number of
    bins. swing_neighbours, swing_bins: largest over smallest estimate as only that changes, the worst case; None where an estimate is
    missing or below 1. steady: both are at most STEADY and no row has notes."""

    rows: tuple[Row, ...]
    overlays: tuple[Overlay, ...]
    swing_neighbours: float | None
    swing_bins: float | None
    steady: bool


@dataclass(frozen=True, kw_only=True)
class OtherDimensions:
    """two_nn: Facco et al. 2017, from the two nearest neighbours. mle: Levina and Bickel 2005, from 20. danco: Ceruti et al. 2014, from
    angles and distances, at most 100; None where not asked for or not defined. participation_ratio: of the variance."""

    two_nn: float
    mle: float
    danco: float | None
    participation_ratio: float


@dataclass(frozen=True, kw_only=True)
class PointsDimension:
    """Of one set of trials."""

    trials: int
    graph: DimensionTable
    others: OtherDimensions


@dataclass(frozen=True, kw_only=True)
class SessionDimension:
    """grey, natural: as many trials of each; natural: of different images as far as there are as many. more: natural at MOST_TRIALS or all.
    Without grey screens, only `more`. skipped: what is None -> why."""

    grey: PointsDimension | None
    natural: PointsDimension | None
    more: PointsDimension
    power_law: PowerLaw | None
    skipped: Mapping[str, str] = field(default_factory=dict)


def dimension_table(
    points: Array,
    *,
    seed: int,
    neighbours: Sequence[int] = NEIGHBOURS,
    metrics: Sequence[str] = METRICS,
    bins: Sequence[int] = BINS,
) -> DimensionTable:
    """points: (point, feature). Memory: that of `path_lengths`. Raises DataError: not more points than neighbours."""
    rng = np.random.default_rng(seed)
    rows, overlays = [], []
    for metric in metrics:
        for count in neighbours:
            paths = path_lengths(points, count, metric)
            found = [Row(neighbours=count, metric=metric, bins=size, found=fit_dimension(paths, size)) for size in bins]
            rows += found
            middle = found[len(found) // 2]
            if middle.found.lowest is not None:
                overlays.append(_overlay(middle, middle.found.lowest, len(points), rng))
    by_neighbours = _swing([[row for row in rows if (row.metric, row.bins) == key] for key in _pairs(metrics, bins)])
    by_bins = _swing(
        [[row for row in rows if (row.metric, row.neighbours) == key] for key in _pairs(metrics, neighbours)]
    )
    swings = (by_neighbours, by_bins)
    return DimensionTable(
        rows=tuple(rows),
        overlays=tuple(overlays),
        swing_neighbours=by_neighbours,
        swing_bins=by_bins,
        steady=all(swing is not None and swing <= STEADY for swing in swings)
        and not any(row.found.notes for row in rows),
    )


def other_dimensions(points: Array, *, danco: bool = False) -> OtherDimensions:
    """points: (point, feature). danco: takes minutes from a few thousand points on. Raises DataError: 20 points or fewer, or fewer than 2
    features."""
    if len(points) <= DANCO_POINTS[0] or points.shape[1] < 2:
        raise DataError(
            f"dimension: got {len(points)} points of {points.shape[1]} features, expected more than {DANCO_POINTS[0]} of at least 2"
        )
    from skdim.id import MLE, DANCo, TwoNN  # compiles what it needs, which takes seconds

    angles = None
    if danco and len(points) <= DANCO_POINTS[1]:
        limit = min(DANCO_LIMIT, points.shape[1])
        angles = float(DANCo(D=limit, ver="DANCoFit").fit(points).dimension_)
    return OtherDimensions(
        two_nn=float(TwoNN().fit(points).dimension_),
        mle=float(MLE().fit(points).dimension_),
        danco=angles if angles is None or np.isfinite(angles) else None,
        participation_ratio=participation_ratio(points),
    )


def session_dimension(
    recording: Recording,
    *,
    seed: int,
    most: int = MOST_TRIALS,
    neighbours: Sequence[int] = NEIGHBOURS,
    metrics: Sequence[str] = METRICS,
    bins: Sequence[int] = BINS,
    danco: bool = False,
) -> SessionDimension:
    """Of responses as they are in the recording: preprocess first. What a session is too small for is skipped with the reason.
    Raises DataError: not more trials with a stimulus than neighbours."""
    rng = np.random.default_rng([seed, 2])

    def dimension(trials: Numbers) -> PointsDimension:
        points = recording.responses[np.sort(trials)]
        table = dimension_table(points, seed=seed, neighbours=neighbours, metrics=metrics, bins=bins)
        return PointsDimension(trials=len(points), graph=table, others=other_dimensions(points, danco=danco))

    grey, natural = rng.permutation(np.flatnonzero(recording.grey)), _one_a_stimulus_first(recording, rng)
    matched = min(len(grey), len(natural), most)
    fewest = max(*neighbours, DANCO_POINTS[0]) + 1
    skipped: dict[str, str] = {}
    if matched < fewest:
        few = f"{recording.name} has {len(grey)} grey trials, expected at least {fewest}"
        skipped |= {"grey": few, "natural": few}
    try:
        power_law = cross_validated_power_law(recording.repeats()[1], seed=seed)
    except DataError as error:
        power_law = None
        skipped["power_law"] = str(error)
    return SessionDimension(
        grey=None if matched < fewest else dimension(grey[:matched]),
        natural=None if matched < fewest else dimension(natural[:matched]),
        more=dimension(natural[:most]),
        power_law=power_law,
        skipped=skipped,
    )


def sphere(points: int, dimension: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(point, dimension + 1) spread evenly over the surface, which has this dimension."""
    drawn = rng.standard_normal((points, dimension + 1))
    unit: NDArray[np.float64] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def _overlay(row: Row, dimension: int, points: int, rng: np.random.Generator) -> Overlay:
    found = [
        fit_dimension(path_lengths(made, row.neighbours), row.bins)
        for made in (sphere(points, dimension, rng), rng.standard_normal((points, dimension)))
    ]
    return Overlay(
        neighbours=row.neighbours,
        metric=row.metric,
        bins=row.bins,
        dimension=dimension,
        sphere=found[0].curve,
        gaussian=found[1].curve,
        fitted_sphere=found[0].fitted,
        fitted_gaussian=found[1].fitted,
    )


def _pairs(metrics: Sequence[str], numbers: Sequence[int]) -> list[tuple[str, int]]:
    return [(metric, number) for metric in metrics for number in numbers]


def _swing(sets: list[list[Row]]) -> float | None:
    """sets: rows that differ in one setting only."""
    worst = 1.0
    for rows in sets:
        estimates = [row.found.fitted for row in rows]
        if any(one is None or one < 1 for one in estimates):
            return None
        given = [one for one in estimates if one is not None]
        worst = max(worst, max(given) / min(given))
    return worst


def _one_a_stimulus_first(recording: Recording, rng: np.random.Generator) -> Numbers:
    """Trials with a stimulus in random order, one of each stimulus before any second."""
    order = rng.permutation(np.flatnonzero(~recording.grey))
    first = np.zeros(len(order), bool)
    first[np.unique(recording.stimuli[order], return_index=True)[1]] = True
    return np.concatenate([order[first], order[~first]]).astype(np.int64)
