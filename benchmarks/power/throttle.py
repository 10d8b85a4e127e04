"""Whether a soak's slowdown is throttling, with a sentence that says why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeneuro.benchmarks.document import SoakPoint
from edgeneuro.benchmarks.protocol import Floats

LEAST_POINTS = 25
"""Five a fifth; with fewer the interval means nothing."""
MARGIN = 0.02
"""Slower by less is not called slower, however sure: it makes no difference to a frame rate."""
ROSE_C = 5.0
FELL = 0.03
"""Changes of temperature, and share of the clock, that count: more than sensors jitter by."""
_RESAMPLES = 2000


def judge_throttling(points: Sequence[SoakPoint]) -> tuple[float, bool | None, str]:
    """(slowdown, throttled, reason), as document.Soak holds them. points: at least one.

    slowdown: median p50 of the last fifth over that of the first. It is beyond noise where its 95 % interval lies above
    1 + MARGIN. That is throttling where the clock fell as well, or, where no clock can be read, where the temperature rose.
    It is not where neither happened. None where too little is known to tell, or the two disagree.
    """
    first, last = _ends(points)
    p50 = np.array([point.p50_ms for point in points])
    slowdown = float(np.median(p50[last]) / np.median(p50[first]))
    if len(points) < LEAST_POINTS:
        return slowdown, None, f"{len(points)} points, expected at least {LEAST_POINTS}: soak for longer"
    low, high = _interval(p50[first], p50[last])
    found = f"the last fifth took {slowdown:.2f} [{low:.2f}, {high:.2f}] times as long as the first"
    heat = _change([point.temperature_c for point in points], first, last)
    clock = _change([point.frequency_mhz for point in points], first, last)
    said = f"{found}; temperature {_shown(heat, 'C')}, clock {_shown(clock, 'MHz')}"
    if low <= 1 + MARGIN:
        return slowdown, False, f"{said}: no slowdown beyond noise"
    rose = None if heat is None else heat[1] - heat[0] >= ROSE_C
    fell = None if clock is None else clock[1] <= (1 - FELL) * clock[0]
    if fell or (fell is None and rose):
        return slowdown, True, f"{said}: throttled"
    if rose is False and fell is False:
        return slowdown, False, f"{said}: slower for another reason, such as other processes"
    return slowdown, None, f"{said}: slower, but whether heat is the reason cannot be told from this"


def _ends(points: Sequence[SoakPoint]) -> tuple[slice, slice]:
    """The first and the last fifth, at least one point each."""
    size = max(1, len(points) // 5)
    return slice(0, size), slice(len(points) - size, len(points))


def _interval(first: Floats, last: Floats) -> tuple[float, float]:
    """95 % of the ratio of medians, by a moving-block bootstrap: neighbouring points resemble each other.

    Source: Künsch 1989, doi 10.1214/aos/1176347265. Blocks of about the square root of the number of points.
    """
    rng = np.random.default_rng(0)
    ratios = np.median(_resampled(last, rng), axis=1) / np.median(_resampled(first, rng), axis=1)
    low, high = np.percentile(ratios, (2.5, 97.5))
    return float(low), float(high)


def _resampled(values: Floats, rng: np.random.Generator) -> Floats:
    """(resample, point)."""
    size = max(1, round(len(values) ** 0.5))
    blocks = -(-len(values) // size)
    starts = rng.integers(0, len(values) - size + 1, (_RESAMPLES, blocks))
    taken: Floats = values[(starts[:, :, None] + np.arange(size)).reshape(_RESAMPLES, -1)[:, : len(values)]]
    return taken


def _change(values: Sequence[float | None], first: slice, last: slice) -> tuple[float, float] | None:
    """Medians of the first and the last fifth; None where a sensor said nothing in one of them."""
    ends = [[value for value in values[part] if value is not None] for part in (first, last)]
    return (float(np.median(ends[0])), float(np.median(ends[1]))) if all(ends) else None


def _shown(change: tuple[float, float] | None, unit: str) -> str:
    return "not readable" if change is None else f"{change[0]:.0f} to {change[1]:.0f} {unit}"
