"""Whether neurons that are near each other look at places near each other: the Mantel test.

Source: Mantel 1967, Cancer Research 27:209; the permutation moves points, so that all pairs of one move together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from edgeneuro.data.recordings import Recording
from edgeneuro.errors import DataError
from edgeneuro.spec import Array, Float32
from edgeneuro.v1.fields import FittedFields, refuse_lacking

PERMUTATIONS = 999
LOCAL_UM = 150.0
"""Cells closer than this are neighbours."""
MOST_ALIKE = 10
"""Neurons that count as a neuron's neighbours by correlation."""
MOST_NEURONS = 1000


@dataclass(frozen=True, kw_only=True)
class Mantel:
    """r: Pearson correlation over pairs of points. p: share of permutations, the observed order included, with at least this r."""

    r: float
    p: float
    points: int
    pairs: int
    permutations: int


@dataclass(frozen=True, kw_only=True)
class FieldOrder:
    """Distance of field centres, px, against distance of cells over all pairs (everywhere) and over pairs closer than radius_um (local),
    None where no such pairs are; and against not being among each other's `alike` most correlated neurons (correlated)."""

    everywhere: Mantel
    local: Mantel | None
    correlated: Mantel
    radius_um: float
    alike: int


def mantel(
    first: Array,
    second: Array,
    rng: np.random.Generator,
    *,
    among: Array | None = None,
    permutations: int = PERMUTATIONS,
) -> Mantel:
    """Tests whether `first` grows with `second`; one-sided. Both: (point, point) symmetric distances. among: (point, point) mask of the
    pairs that count, which stay where they are while the points of `first` change places; None for all.

    Time: permutations x points^2, 10 to 40 s for 1,000 points and 999 permutations. Memory: 5 float64 matrices (point, point).
    Raises DataError: other shapes, fewer than 3 pairs, or distances that are all the same.
    """
    if first.shape != second.shape or first.ndim != 2 or first.shape[0] != first.shape[1]:
        raise DataError(
            f"Mantel test: got distances of {first.shape} and {second.shape}, expected two (point, point) of one size"
        )
    points = len(first)
    counted = np.ones(first.shape) if among is None else np.asarray(among, np.float64)
    counted = np.triu(counted, 1)
    counted = counted + counted.T
    pairs = round(float(counted.sum()) / 2)
    if pairs < 3:
        raise DataError(f"Mantel test: got {pairs} pairs of {points} points, expected at least 3; widen the radius")
    if 0 in (np.ptp(first[counted > 0]), np.ptp(np.asarray(second, np.float64)[counted > 0])):
        raise DataError(f"Mantel test: all {pairs} distances are the same, expected some to differ")
    moving = np.asarray(first, np.float64) - np.mean(first)
    fixed = counted * (second - np.vdot(counted, second) / (2 * pairs))
    fixed /= np.linalg.norm(fixed)

    def correlation(order: NDArray[np.int64]) -> float:
        moved = moving.take(order, 0).take(order, 1)
        together = float(np.vdot(moved, fixed))
        total = float(np.vdot(moved, counted))
        moved *= moved
        spread = float(np.vdot(moved, counted)) - total**2 / (2 * pairs)
        return together / math.sqrt(spread) if spread > 0 else 0.0

    observed = correlation(np.arange(points))
    by_chance = [correlation(rng.permutation(points)) for _ in range(permutations)]
    as_high = sum(r >= observed - 1e-12 for r in by_chance)  # rounding is no difference
    return Mantel(
        r=observed, p=(1 + as_high) / (1 + permutations), points=points, pairs=pairs, permutations=permutations
    )


def field_order(
    recording: Recording,
    fitted: FittedFields,
    *,
    seed: int,
    neurons: int = MOST_NEURONS,
    radius_um: float = LOCAL_UM,
    alike: int = MOST_ALIKE,
    permutations: int = PERMUTATIONS,
) -> FieldOrder:
    """Tests on at most `neurons` neurons, those whose fields explain most on held-out images.

    Correlation is that of mean responses to the images that the fields were not fitted on; neurons that respond alike look at like
    places by what fields are, so this one is a check of the method more than a finding. fitted: of this recording.
    Raises DataError: no positions.
    """
    refuse_lacking(recording, "order of fields", "positions_um")
    assert recording.positions_um is not None
    chosen = np.sort(np.argsort(-fitted.explained, kind="stable")[:neurons])
    centres = fitted.maps.places()[0][chosen]
    rng = np.random.default_rng(seed)
    apart = squareform(pdist(centres))
    soma = squareform(pdist(recording.positions_um[chosen]))
    near = soma < radius_um
    others = ~most_alike(_mean_responses(recording, fitted, chosen), alike)
    return FieldOrder(
        everywhere=mantel(apart, soma, rng, permutations=permutations),
        local=mantel(apart, soma, rng, among=near, permutations=permutations) if np.triu(near, 1).sum() >= 3 else None,
        correlated=mantel(apart, others, rng, permutations=permutations),
        radius_um=radius_um,
        alike=alike,
    )


def most_alike(responses: Float32, count: int) -> NDArray[np.bool_]:
    """(neuron, neuron) whether one is among the `count` others with the highest correlation with the other one, either way round.
    responses: (trial, neuron)."""
    with np.errstate(invalid="ignore"):  # of neurons that never respond
        correlations: NDArray[np.float64] = np.nan_to_num(np.asarray(np.corrcoef(responses, rowvar=False)))
    np.fill_diagonal(correlations, -np.inf)
    nearest: NDArray[np.intp] = np.argsort(-correlations, axis=1)[:, : min(count, len(correlations) - 1)]
    found = np.zeros(correlations.shape, bool)
    np.put_along_axis(found, nearest, True, axis=1)
    return found | found.T


def _mean_responses(recording: Recording, fitted: FittedFields, chosen: NDArray[np.intp]) -> Float32:
    """(held-out image, chosen neuron)."""
    numbers, repeats = recording.repeats()
    held_out = np.isin(numbers, fitted.held_out)
    mean: Float32 = repeats[:, held_out][:, :, chosen].mean(0)
    return mean
