"""One quantity before and now, and whether it has got worse beyond what noise explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgeneuro.manifest import Interval

Verdict = Literal["worse", "better", "same"]
Unit = Literal["count", "bytes", "ratio", "ms", "percent", "points"]

_FORMS: Mapping[Unit, tuple[str, float, str]] = {
    "count": ("{:,.0f}", 1.0, ""),
    "bytes": ("{:,.0f}", 1.0, " bytes"),
    "ratio": ("{:.3f}", 1.0, ""),
    "ms": ("{:.3f}", 1.0, " ms"),
    "percent": ("{:.2f}", 100.0, " %"),
    "points": ("{:.2f}", 1.0, " points"),
}
"""How a number is written, by what it is multiplied before, what follows it."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """where: the row, or the engine. what: the quantity. was, now: with 95 % intervals; what is counted has none, its ends
    are its value. percent: shares are 0..1. allowed: what would have passed, in words. advice: what to try."""

    where: str
    what: str
    unit: Unit
    was: Interval
    now: Interval
    verdict: Verdict
    allowed: str
    advice: str


def exactly(value: float) -> Interval:
    """Of what is counted."""
    return Interval(value=value, low=value, high=value)


def judge_count(was: float, now: float, tolerance: float) -> Verdict:
    """More is worse. tolerance: a difference that is no change."""
    if abs(now - was) <= tolerance:
        return "same"
    return "worse" if now > was else "better"


def judge_time(was: Interval, now: Interval, tolerance: float) -> Verdict:
    """Longer is worse; a change is one only where the intervals do not touch and the values are more than `tolerance`, a
    share, apart. For two estimates of like width that is 2.8 standard errors of their difference."""
    if now.low > was.high and now.value > was.value * (1.0 + tolerance):
        return "worse"
    if now.high < was.low and now.value < was.value * (1.0 - tolerance):
        return "better"
    return "same"


def judge_score(was: Interval, now: float, tolerance: float, *, more_is_worse: bool = False) -> Verdict:
    """On the same frames the same engine gives the same score, so `now` is a point: it has changed where it lies outside
    the baseline's interval and more than `tolerance` away."""
    above = now > was.high and now > was.value + tolerance
    below = now < was.low and now < was.value - tolerance
    if not (above or below):
        return "same"
    return "worse" if above == more_is_worse else "better"


def change_line(change: Change) -> str:
    """ "m.edge: int8 openvino: inference / fp32: was 0.47 [0.46, 0.48], is 0.66 [0.64, 0.68] (+40 %); allowed: ..."."""
    was, now = _text(change.was, change.unit), _text(change.now, change.unit)
    return f"{change.where}: {change.what}: was {was}, is {now}{_share(change)}; allowed: {change.allowed}"


def _share(change: Change) -> str:
    """By how much, of the old value; nothing for scores, whose own unit says it."""
    if change.unit in ("percent", "points") or change.was.value == 0:
        return ""
    return f" ({100.0 * (change.now.value / change.was.value - 1.0):+.1f} %)"


def _text(interval: Interval, unit: Unit) -> str:
    form, scale, mark = _FORMS[unit]
    value, low, high = (form.format(scale * x) for x in (interval.value, interval.low, interval.high))
    return f"{value}{mark}" if interval.low == interval.high else f"{value} [{low}, {high}]{mark}"
