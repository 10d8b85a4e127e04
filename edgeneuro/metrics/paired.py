"""What one graph loses against another on the same frames, in percentage points, with an interval that few groups and
rare changes do not fool.

Quantisation changes few answers, and those in few groups: the percentile bootstrap of such a drop is far too narrow,
and has no width at all where nothing changed. Instead, the interval adds up two uncertainties:

    low  = drop         - sqrt((t s)^2 + ((m - 1) e)^2)
    high = drop + e     + sqrt((t s)^2 + ((m - 1) e)^2)

s: standard error from leaving out one group after the other (jackknife; Efron and Stein 1981). t: Student's quantile,
degrees of freedom after Satterthwaite (1946) from the frames each group has of each class, so that a class found in two
groups counts as two. e: what one more change would cost, had it hit the class with fewest frames; changes of one
group come together (see CORRELATION), so one is worth 1 + (frames a group - 1) CORRELATION frames. m = -ln(2 tail) = 3:
where nothing changed at all, high is 3 e, the rule of three (Hanley and Lippman-Hand 1983, JAMA 249:1743). Adding e to
the estimate and to its error is how Fay and Feuer (1997, Statistics in Medicine 16:791) treat rates of rare events.

What this is worth is measured: benchmarks/gate_error_rates.py, docs/results/gate_error_rates.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeneuro.manifest import Interval
from edgeneuro.metrics.confusion import Floats, Ints, Metric, accuracy, group_confusions, metric_named
from edgeneuro.metrics.resample import group_numbers

CORRELATION = 0.1
"""Of changes within one group that the interval reckons with even where too few are seen to tell. Measured between
STANet's float and INT8 graphs on 57 lung ultrasound patients: 0.02 at 224 px and 0.10 at 128 px
(benchmarks/gate_correlation.py)."""
TAIL = 0.025
"""Of each side: the interval is two-sided, 95 %."""
_NORMAL_FROM = 1000.0


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A drop in percentage points and all that its interval is made of.

    variance: of the drop, points squared. freedom: degrees of freedom of the variance, 0 where a class is in one group
    only, about which nothing can be said. event: what one more change would cost, points. groups: with such frames.
    """

    value: float
    variance: float
    freedom: float
    event: float
    groups: int

    def interval(self, tail: float = TAIL) -> Interval:
        """`tail`: error allowed on each side, 0.025 for 95 %."""
        if self.freedom <= 0.0:
            return Interval(value=self.value, low=-100.0, high=100.0)
        unseen = (-math.log(2.0 * tail) - 1.0) * self.event
        spread = math.hypot(student_quantile(1.0 - tail, self.freedom) * math.sqrt(self.variance), unseen)
        low, high = self.value - spread, self.value + self.event + spread
        return Interval(value=self.value, low=max(low, -100.0), high=min(high, 100.0))

    def with_groups(self, groups: int) -> Drop:
        """The same drop and the same spread between groups, seen in `groups` of them."""
        factor = groups / self.groups
        return Drop(
            value=self.value,
            variance=self.variance / factor,
            freedom=(self.freedom + 1.0) * factor - 1.0,
            event=self.event / factor,
            groups=groups,
        )


def drop_of(
    metric: str, targets: ArrayLike, reference: ArrayLike, predicted: ArrayLike, groups: Sequence[str], classes: int
) -> Drop:
    """What `predicted` loses of `metric` against `reference`: positive is worse. Paired: the same frames, and the same
    groups left out. targets, reference, predicted: (frame,) class numbers. Raises DataError, InputError."""
    score = metric_named(metric)
    counts = group_confusions(targets, (reference, predicted), groups, classes)
    total = counts.sum(0)
    without = 100.0 * score.of_confusion(total - counts)
    values = 100.0 * score.of_confusion(total)
    frames = counts[:, 0].sum(-1)
    return _drop(
        value=float(values[0] - values[1]),
        without=without[:, 0] - without[:, 1],
        frames=frames if score.by_class else frames.sum(1, keepdims=True),
        costs=_costs(score, total[0]),
    )


def drop_interval(
    metric: str, targets: ArrayLike, reference: ArrayLike, predicted: ArrayLike, groups: Sequence[str], classes: int
) -> Interval:
    """`drop_of` with its 95 % interval, in percentage points."""
    return drop_of(metric, targets, reference, predicted, groups, classes).interval()


def recall_drops(
    targets: ArrayLike, reference: ArrayLike, predicted: ArrayLike, groups: Sequence[str], classes: int
) -> tuple[Drop | None, ...]:
    """Drop of each class's recall, None for a class without frames."""
    true, first, second = (np.asarray(values, np.int64) for values in (targets, reference, predicted))
    names = np.asarray(groups, str)
    found: list[Drop | None] = []
    for k in range(classes):
        own = true == k
        rows = (true[own], first[own], second[own], names[own].tolist(), classes)
        found.append(drop_of("accuracy", *rows) if own.any() else None)
    return tuple(found)


def score_drop(reference: ArrayLike, scores: ArrayLike, groups: Sequence[str]) -> Drop:
    """Drop of a mean of one score a frame, 0 to 1, such as Dice. reference, scores: (frame,). One more change is
    reckoned as large as the largest seen. Raises DataError."""
    lost = 100.0 * (np.asarray(reference, np.float64) - np.asarray(scores, np.float64))
    numbers = group_numbers(groups, len(lost))
    frames = np.bincount(numbers)[:, None]
    sums = np.bincount(numbers, lost)
    rest = len(lost) - frames[:, 0]
    without = np.divide(lost.sum() - sums, rest, out=np.zeros(len(sums)), where=rest > 0)
    return _drop(
        value=float(lost.mean()), without=without, frames=frames, costs=np.array([np.abs(lost).max() / len(lost)])
    )


def agreement_interval(reference: ArrayLike, predicted: ArrayLike, groups: Sequence[str], classes: int) -> Interval:
    """Share of frames to which `predicted` gives the same class as `reference`; needs no labels."""
    lost = drop_of(accuracy.name, reference, reference, predicted, groups, classes).interval()
    return Interval(value=1.0 - lost.value / 100.0, low=1.0 - lost.high / 100.0, high=min(1.0, 1.0 - lost.low / 100.0))


def _drop(*, value: float, without: Floats, frames: Ints, costs: Floats) -> Drop:
    """without: (group,) drop with each group left out. frames: (group, stratum). costs: (stratum,) of one frame."""
    groups = len(without)
    per_stratum = frames.sum(0)
    used = per_stratum > 0
    held, whole = frames[:, used], per_stratum[used]
    together = 1.0 + ((held**2).sum(0) / whole - 1.0) * CORRELATION
    freedom = _freedom(held / whole)
    return Drop(
        value=value,
        variance=float((groups - 1) / groups * ((without - without.mean()) ** 2).sum()) if freedom > 0 else 0.0,
        freedom=freedom,
        event=float((costs[used] * together).max()),
        groups=groups,
    )


def _freedom(shares: Floats) -> float:
    """Degrees of freedom of the variance of a mean over strata. shares: (group, stratum) of each stratum's frames."""
    squares = (shares**2).sum(0)  # a stratum's share of the variance, all frames of a group being alike
    own = squares**2 / (shares**4).sum(0) - 1.0
    groups = shares.shape[0]
    if groups < 2 or (own <= 1e-9).any():
        return 0.0
    nested = squares.sum() ** 2 / (squares**2 / own).sum()
    by_group = (shares**2).sum(1)
    crossed = by_group.sum() ** 2 / (by_group**2).sum() - 1.0
    return float(max(1.0, min(nested, crossed)))


def _costs(score: Metric, confusion: Ints) -> Floats:
    """Points that one frame of each class costs when it is lost to the class that hurts most; (1,) of all classes
    where the metric does not tell them apart. 0 for a class none of whose frames was right."""
    classes = len(confusion)
    before = float(score.of_confusion(confusion))
    costs = np.zeros(classes)
    for true in np.flatnonzero(np.diagonal(confusion)):
        for guess in range(classes):
            after = confusion.copy()
            after[true, true] -= 1
            after[true, guess] += 1
            costs[true] = max(costs[true], 100.0 * (before - float(score.of_confusion(after))))
    return costs if score.by_class else costs.max(keepdims=True)


@lru_cache(maxsize=4096)
def student_quantile(probability: float, freedom: float) -> float:
    """Of Student's t with `freedom` >= 1, any real number: x = sqrt(freedom) tan(angle), where the angle's density is
    proportional to cos(angle)^(freedom - 1). Within 0.1 % of the exact value."""
    if freedom > _NORMAL_FROM:
        z = NormalDist().inv_cdf(probability)
        return z + (z**3 + z) / (4.0 * freedom)
    angles: NDArray[np.float64] = np.linspace(-np.pi / 2, np.pi / 2, 20_001)
    density = np.cos(angles) ** (freedom - 1.0)
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    angle = float(np.interp(probability, cumulative / cumulative[-1], angles))
    return math.sqrt(freedom) * math.tan(angle)
