"""The accuracy gate: is every graph of an engine within a margin of the float network?

pass: the upper end of the drop's 95 % interval is inside the margin, and so is every class inside its guard.
fail: a lower end is outside. inconclusive: neither, so more groups are needed. Method, its measured error rates and
what several tests at once mean: docs/gate.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgeneuro.errors import GateError, UsageError
from edgeneuro.export.accuracy import AGREEMENT, class_drops, drop, line_drop, score
from edgeneuro.export.outcomes import LINE_RADIUS, Outcomes
from edgeneuro.manifest import ClassDrop, Gate, Interval, Judgement, Verdict
from edgeneuro.metrics import METRICS, Drop
from edgeneuro.metrics.paired import TAIL
from edgeneuro.records import to_json

GUARD_AT_MOST = 5.0
"""Points that any class may lose at most, for margins up to 2.5 points; above, twice the margin."""
MOST_GROUPS = 1_000_000
MOST_SAID = 2
"""Checks that a message spells out; the record holds all."""
TITLES = {**{name: metric.title for name, metric in METRICS.items()}, "dice": "Dice", "iou": "IoU"}


@dataclass(frozen=True, kw_only=True)
class Margin:
    """asked: as the user wrote it. points: largest drop allowed; or of_float: smallest share of the float score."""

    asked: str
    points: float | None = None
    of_float: float = 1.0

    def of(self, score: float) -> float:
        """The margin in points. score: of the float graph on the frames judged, 0..1."""
        return 100.0 * (1.0 - self.of_float) * score if self.points is None else self.points


def parse_margin(text: str) -> Margin:
    """ "1" or "0.5": percentage points of the primary metric. "99%" or "99.9%": of the float graph's score, as MLPerf
    asks for. Raises UsageError."""
    value = text.strip()
    try:
        number = float(value.removesuffix("%"))
    except ValueError as error:
        raise UsageError(
            f"--max-drop {text}: is no number; give points as in 1 or 0.5, or a share of float as in 99%"
        ) from error
    if value.endswith("%"):
        if not 50.0 <= number < 100.0:
            raise UsageError(
                f"--max-drop {text}: is a share of the float score to keep, expected 50% to below 100%, e.g. 99%; "
                "points are written without the sign"
            )
        return Margin(asked=value, of_float=number / 100.0)
    if not 0.0 < number <= 100.0:
        raise UsageError(f"--max-drop {text}: expected points above 0 and up to 100, e.g. 1")
    return Margin(asked=value, points=number)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One drop against its limit, in points. name: the class, None for the metric itself and for centre lines. lines: of the
    tolerant recall of centre lines. units: that hold it."""

    graph: str
    name: str | None
    lines: bool = False
    title: str
    units: int
    drop: Drop
    limit: float

    def verdict(self, tests: int = 1) -> Verdict:
        """tests: checks that could fail. A pass needs no correction for their number, because all of them have to
        pass (intersection-union test, Berger 1982); a failure does, because one is enough (Bonferroni)."""
        return _verdict(self.drop, self.limit, tests)

    @property
    def hopeless(self) -> bool:
        """Whether these frames could not even show that a graph equal to float is inside the limit."""
        return replace(self.drop, value=0.0, variance=0.0).interval().high > self.limit

    def groups_needed(self, tests: int = 1) -> int | None:
        """Groups like these that would decide, if drop and spread between groups stayed as they are; None where they
        decide already, and where nothing can be foretold or the drop is so near the limit that no number would."""
        if self.drop.freedom <= 0 or self.verdict(tests) != "inconclusive":
            return None
        low, high = self.drop.groups, 2 * self.drop.groups
        while _verdict(self.drop.with_groups(high), self.limit, tests) == "inconclusive":
            low, high = high, 2 * high
            if high > MOST_GROUPS:
                return None
        while high - low > 1:
            middle = (low + high) // 2
            decided = _verdict(self.drop.with_groups(middle), self.limit, tests) != "inconclusive"
            low, high = (low, middle) if decided else (middle, high)
        return high

    def said(self, tests: int = 1) -> str:
        """In words, e.g. "recall of covid drops by 0.00 points [-3.10, 6.20], limit 3; about 90 groups like these 6
        would decide"."""
        if self.drop.freedom <= 0:
            few = "frames of one group only" if self.drop.groups else "no frames"
            few = "a class with frames of one group only" if self.drop.groups > 1 else few
            return f"{self.title}: {few}, so nothing is known about others"
        text = f"{self.title} drops by {points(self.drop.interval())}, limit {self.limit:.3g}"
        if self.verdict(tests) != "inconclusive":
            return text
        needed = self.groups_needed(tests)
        if needed is None:
            return f"{text}; too near the limit for any number of groups"
        return f"{text}; about {needed:,} groups like these {self.drop.groups} would decide"


def points(interval: Interval) -> str:
    """ "0.42 points [-0.10, 1.30]"; a zero has no minus."""
    value, low, high = (round(end, 2) + 0.0 for end in (interval.value, interval.low, interval.high))
    return f"{value:.2f} points [{low:.2f}, {high:.2f}]"


def guard_points(margin: float, classes: int) -> float:
    """What one class may lose: all that the margin allows, had that class alone lost it, but at most GUARD_AT_MOST or
    twice the margin, whichever is more."""
    return min(max(2, classes) * margin, max(GUARD_AT_MOST, 2.0 * margin))


def checks(outcomes: Outcomes, margin: Margin, metric: str) -> tuple[Check, ...]:
    """Of every graph but the reference: the metric first, then the classes, then centre lines. metric: the primary one;
    without labels, agreement is checked instead."""
    used = metric if outcomes.labelled else AGREEMENT
    title = TITLES[used] if outcomes.labelled else "agreement with float"
    limit = margin.of(score(outcomes, outcomes.reference, used) if outcomes.labelled else 1.0)
    found: list[Check] = []
    for path in outcomes.others:
        whole = drop(outcomes, path, used)
        found.append(Check(graph=path, name=None, title=title, units=len(outcomes.samples), drop=whole, limit=limit))
        classes = class_drops(outcomes, path, used)
        guard = guard_points(limit, len(classes))
        for name, (units, own) in classes.items():
            if own.groups == 0 and not outcomes.labelled:
                continue  # a class that float never gives is no promise of anybody's
            found.append(
                Check(graph=path, name=name, title=_class_title(outcomes, name), units=units, drop=own, limit=guard)
            )
        lines = line_drop(outcomes, path)
        if lines is not None:
            title = f"recall of centre lines within {LINE_RADIUS} voxels"
            found.append(
                Check(graph=path, name=None, lines=True, title=title, units=lines[0], drop=lines[1], limit=guard)
            )
    return tuple(found)


def judge(
    outcomes: Outcomes,
    margin: Margin,
    metric: str,
    *,
    by: str | None = None,
    kept_float: Mapping[str, str] | None = None,
    history: Sequence[str] = (),
) -> Gate:
    """The verdict over every graph, by frame and, with `by`, by exam as well: all have to pass.

    outcomes: by frame, of frames that neither training nor calibration nor the choice of layers has seen. kept_float,
    history: of that choice, for the record.
    """
    levels = [outcomes] if by is None else [outcomes, outcomes.by(by)]
    found = [(level, checks(level, margin, metric)) for level in levels]
    tests = sum(len(of_level) for _, of_level in found)
    judgements = tuple(
        _judgement(level, [check for check in of_level if check.graph == path], tests)
        for level, of_level in found
        for path in level.others
    )
    return Gate(
        asked=margin.asked,
        metric=metric if outcomes.labelled else AGREEMENT,
        verdict=verdict_of([check for _, of_level in found for check in of_level]),
        data=outcomes.data,
        judgements=judgements,
        kept_float=dict(kept_float or {}),
        history=tuple(history),
    )


def require_pass(gate: Gate, name: str) -> None:
    """Raise GateError unless `gate` passed. name: the engine that is not written."""
    if gate.verdict == "pass":
        return
    first, *others = [one for one in gate.judgements if one.verdict == gate.verdict]
    by = f"by {first.unit}, {first.graph}: {first.reason}" + (f" ({len(others)} more like it)" if others else "")
    what = "is outside" if gate.verdict == "fail" else "cannot be shown to be inside"
    remedy = (
        "name layers to --keep-float, train with --qat, or allow more with --max-drop"
        if gate.verdict == "fail"
        else "give more recordings with --data, or allow more with --max-drop; without --max-drop it is built unjudged"
    )
    raise GateError(
        f"{name}: {what} --max-drop {gate.asked} on {gate.data.name} ({gate.data.groups} groups), not written: "
        f"{by}; {remedy}",
        to_json(gate),
    )


def verdict_of(found: Sequence[Check]) -> Verdict:
    """Of all checks together; pass for none, which is an engine that runs in float."""
    return worst([check.verdict(len(found)) for check in found])


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """fail before inconclusive before pass."""
    order: tuple[Verdict, ...] = ("fail", "inconclusive")
    return next((verdict for verdict in order if verdict in verdicts), "pass")


def _judgement(outcomes: Outcomes, found: Sequence[Check], tests: int) -> Judgement:
    """found: the checks of one graph at one level."""
    metric, *guarded = found
    classes = [check for check in guarded if not check.lines]
    verdict = worst([check.verdict(tests) for check in found])
    telling = [check for check in found if check.verdict(tests) == verdict]
    return Judgement(
        graph=metric.graph,
        unit=outcomes.unit,
        units=metric.units,
        groups=metric.drop.groups,
        verdict=verdict,
        margin_points=metric.limit,
        drop_points=metric.drop.interval(),
        groups_needed=metric.groups_needed(tests),
        guard_points=guard_points(metric.limit, len(classes)),
        classes={str(check.name): _class_drop(check, tests) for check in classes},
        centre_lines=next((_class_drop(check, tests) for check in guarded if check.lines), None),
        reason=_reason(found[:1] if verdict == "pass" else telling, tests),
    )


def _reason(telling: Sequence[Check], tests: int) -> str:
    said = [check.said(tests) for check in telling[:MOST_SAID]]
    return "; ".join(said) + (f"; and {len(telling) - MOST_SAID} more" if len(telling) > MOST_SAID else "")


def _class_drop(check: Check, tests: int) -> ClassDrop:
    return ClassDrop(
        frames=check.units,
        groups=check.drop.groups,
        drop_points=check.drop.interval(),
        verdict=check.verdict(tests),
        groups_needed=check.groups_needed(tests),
    )


def _verdict(drop: Drop, limit: float, tests: int) -> Verdict:
    if drop.interval().high <= limit:
        return "pass"
    return "fail" if drop.interval(TAIL / tests).low > limit else "inconclusive"


def _class_title(outcomes: Outcomes, name: str) -> str:
    if not outcomes.labelled:
        return f"agreement on what float calls {name}"
    return f"Dice of {name}" if outcomes.task == "segmentation" else f"recall of {name}"
