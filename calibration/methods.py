"""Range methods: from what was seen of a tensor to the range that INT8 represents.

One range is kept for each tensor and lowered for every target: with 256 steps from low to high where a zero point may
be anything, with 127 steps either side of zero where it must be 0. The methods that weigh clipping against resolution
(entropy, mean squared error) do so for the 256 steps; on a target with fewer they clip less than they could, never more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from edgeneuro.calibration.observer import BINS, Statistics
from edgeneuro.calibration.ranges import Range, unsigned_parameters

Floats = NDArray[np.float64]

CANDIDATES = 128
"""Clippings that entropy and mean squared error try on each side: every 32nd edge of the histogram."""
SMALLEST = 1 / 16
"""Of the largest magnitude: below it, a histogram of 4096 bins has less than one bin for each of 256 steps."""


@dataclass(frozen=True, kw_only=True)
class RangeMethod:
    """title: for plans and tables. limits: statistics of one tensor -> its range."""

    name: str
    title: str
    limits: Callable[[Statistics], Range]


def min_max(seen: Statistics) -> Range:
    """Every value of every frame; nothing is clipped."""
    return Range(seen.low, seen.high)


def mean_min_max(seen: Statistics) -> Range:
    """Smallest and largest value of each frame, averaged over frames: NNCF's default."""
    return Range(math.fsum(seen.lows) / len(seen.lows), math.fsum(seen.highs) / len(seen.highs))


def percentile(seen: Statistics, *, keep: float) -> Range:
    """The middle `keep` percent of all values, to the next edge of the histogram outwards; what is left out is split
    evenly between both ends."""
    reached = np.cumsum(seen.counts)
    outside = reached[-1] * (100.0 - keep) / 200.0
    first = int(np.searchsorted(reached, outside, side="right"))
    last = int(np.searchsorted(reached, reached[-1] - outside, side="left"))
    edges = _edges(seen)
    return Range(float(edges[first]), float(edges[last + 1]))


def mean_squared_error(seen: Statistics) -> Range:
    """The ends that make the squared error of quantising least, rounding and clipping together.

    Each end is searched with the other fixed, in turn, until neither moves; the first of equals is the widest.
    """
    if not seen.low < seen.high:
        return min_max(seen)
    error = partial(_squared_error, _centres(seen), seen.counts.astype(np.float64))
    best, start = min_max(seen), None
    while best != start:
        start = best
        best = min((Range(best.low, high) for high in _shrunk(seen.high)), key=error)
        best = min((Range(low, best.high) for low in _shrunk(seen.low)), key=error)
    return best


def entropy(seen: Statistics) -> Range:
    """The clipping at one magnitude whose quantised histogram tells the clipped one best: least Kullback-Leibler
    divergence, as in TensorRT's calibrator, but over the 256 steps from low to high, so that an end that is nearer to
    zero than the clipping stays where it is.

    The bin of zero counts as its fuller neighbour does: zeros behind a Relu are exact in every range.
    Source: Migacz 2017, "8-bit inference with TensorRT", GTC; the zero bin as in NVIDIA's pytorch-quantization 2.1.
    """
    if not seen.low < seen.high:
        return min_max(seen)
    counts, centres = _without_zero(seen), _centres(seen)
    clipped = (Range(max(seen.low, -end), min(seen.high, end)) for end in _shrunk(max(-seen.low, seen.high)))
    wide = (limits for limits in clipped if limits.high - limits.low >= SMALLEST * (seen.high - seen.low))
    return min(wide, key=lambda limits: _divergence(counts, centres, limits))


def _edges(seen: Statistics) -> Floats:
    return np.linspace(seen.low, seen.high, BINS + 1)


def _centres(seen: Statistics) -> Floats:
    edges = _edges(seen)
    centres: Floats = (edges[:-1] + edges[1:]) / 2
    return centres


def _shrunk(end: float) -> list[float]:
    """One end of a range from where it is down to SMALLEST of it."""
    return [float(end * share) for share in np.linspace(1.0, SMALLEST, CANDIDATES)] if end else [0.0]


def _squared_error(values: Floats, weights: Floats, limits: Range) -> float:
    scale, zero_point = unsigned_parameters(limits)
    steps = np.clip(np.rint(values / float(scale)) + int(zero_point), 0, 255)
    error = (steps - int(zero_point)) * float(scale) - values
    return float(np.dot(weights, error * error))


def _without_zero(seen: Statistics) -> Floats:
    """The counts, that of zero's bin replaced by its fuller neighbour."""
    counts = seen.counts.astype(np.float64)
    zero = int(np.clip(np.searchsorted(_edges(seen), 0.0, side="right") - 1, 0, BINS - 1))
    counts[zero] = max(counts[place] for place in (zero - 1, zero + 1) if 0 <= place < BINS)
    return counts


def _divergence(counts: Floats, centres: Floats, limits: Range) -> float:
    """Kullback-Leibler divergence of the quantised from the clipped histogram."""
    first, last = np.searchsorted(centres, limits.low), np.searchsorted(centres, limits.high) - 1
    inside = counts[first : last + 1]
    clipped = inside.copy()
    clipped[0] += counts[:first].sum()
    clipped[-1] += counts[last + 1 :].sum()
    scale, _ = unsigned_parameters(limits)
    step = np.rint(centres[first : last + 1] / float(scale)).astype(np.int64)
    step -= step[0]
    filled = inside > 0
    sums, sizes = np.bincount(step, inside), np.bincount(step, filled)
    quantised = np.where(filled, sums[step] / np.maximum(sizes[step], 1), 0.0)
    return _kullback_leibler(_smooth(clipped), _smooth(quantised))


def _smooth(counts: Floats) -> Floats:
    """A distribution without zeros: each empty bin gets a ten-thousandth of a count, taken from the others."""
    empty = counts == 0
    lifted = np.where(empty, 1e-4, counts)
    distribution: Floats = lifted / lifted.sum()
    return distribution


def _kullback_leibler(p: Floats, q: Floats) -> float:
    return float(np.sum(p * np.log(p / q)))


_ALL = (
    RangeMethod(name="min-max", title="min-max", limits=min_max),
    RangeMethod(name="mean-min-max", title="mean min-max", limits=mean_min_max),
    *(
        RangeMethod(name=f"percentile-{keep}", title=f"percentile {keep}", limits=partial(percentile, keep=keep))
        for keep in (99.9, 99.99, 99.999)
    ),
    RangeMethod(name="entropy", title="entropy", limits=entropy),
    RangeMethod(name="mse", title="mean squared error", limits=mean_squared_error),
)

METHODS: Mapping[str, RangeMethod] = {method.name: method for method in _ALL}
"""By name."""
