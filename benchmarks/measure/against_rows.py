"""What is compared of one engine and of one row, and how much each quantity may change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeneuro.benchmarks.document import OURS, AccuracyRecord, Comparison, EngineRecord, Latency, Report, Row
from edgeneuro.benchmarks.measure.change import Change, exactly, judge_count, judge_score, judge_time
from edgeneuro.manifest import Interval

TOLERANCE = 0.05
"""Share by which a time or a ratio may grow, beyond the intervals: the same code placed elsewhere in memory, by another
build or after another start, is a few percent off, which no interval of one run shows."""
BYTES_TOLERANCE = 0.01
"""Share by which a file may grow: names and notes in it differ from build to build."""
CONVOLUTIONS_TOLERANCE = 1
"""Convolutions that may move from INT8 to float: build-engine chooses by timing, and one that is as fast either way may
end on either side."""
SCORE_TOLERANCE = 0.01
"""By which a score may fall, 0..1, beyond the baseline's interval: other processors round a few answers otherwise."""
MEDIAN_STEPS = ("inference", "total")
"""Compared as they are, on the same machine."""
Pairs = Sequence[tuple[Row, Row]]
"""Rows of this run, each with the same row of the baseline."""

_COUNTS = {
    "bytes": "see which member grew: `edgeneuro inspect`",
    "params": "is it the same network? build it from the same checkpoint",
    "macs": "is it the same network, at the same input size? build it from the same checkpoint",
    "float": "see why they stay in float: `edgeneuro inspect`",
}
_SCORES = "see which class lost: `edgeneuro evaluate`; calibrate anew, or hold a margin with build-engine --max-drop"
_TIMES = "run it once more; if it stays, compare the layers of both reports"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """changes: of what could be compared. notes: why other things could not."""

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()


def engine_changes(report: Report, old: EngineRecord) -> Iterator[Change]:
    """Of an engine of the baseline: bytes of the file, parameters, multiply-accumulates. Nothing where it is gone: its rows
    are said to have vanished."""
    for engine in report.engines:
        if engine.name == old.name:
            yield _bytes(old.name, "bytes of the file", old.bytes, engine.bytes)
            yield _count(old.name, "parameters", "params", old.compute.params, engine.compute.params)
            yield _count(old.name, "multiply-accumulates a frame", "macs", old.compute.macs, engine.compute.macs)


def count_changes(row: Row, old: Row) -> Iterator[Change]:
    """Bytes of the graph, and how many convolutions of an INT8 graph run in float."""
    if row.bytes is not None and old.bytes is not None:
        yield _bytes(row.name, "bytes of the graph", old.bytes, row.bytes)
    now, was = _float_convolutions(row), _float_convolutions(old)
    if now is not None and was is not None and old.int8_convolutions:
        yield _count(row.name, "convolutions in float", "float", was, now, CONVOLUTIONS_TOLERANCE)


def accuracy_changes(row: Row, old: Row) -> Compared:
    """Score, drop against float and agreement with it, where both were taken on the same frames."""
    now, was = row.accuracy, old.accuracy
    if was is None:
        return Compared()
    if now is None:
        return Compared(notes=(f"{row.name}: accuracy was not measured; give --data as for the baseline.",))
    frames, before = ((one.data, one.protocol, one.metric, one.frames, one.groups) for one in (now, was))
    if frames != before:
        text = f"{row.name}: accuracy was taken on other frames ({_on(now)}, the baseline's {_on(was)}); not compared."
        return Compared(notes=(text,))
    return Compared(changes=tuple(_score_changes(row.name, now, was)))


def ratio_changes(report: Report, baseline: Report, pairs: Pairs, tolerance: float) -> Iterator[Change]:
    """Inference of each row as a ratio to its engine's float row, round by round in the same run. An engine's float row is
    the first FP32 row of this project in the baseline."""
    names = {old.name: row.name for row, old in pairs}
    found = {(one.row, one.reference): one for one in report.comparisons}
    floats = _float_rows(baseline)
    for old in baseline.comparisons:
        new = found.get((names.get(old.row, ""), names.get(old.reference, "")))
        if new is not None and old.reference in floats:
            was, now = _ratio(old), _ratio(new)
            yield Change(
                where=new.row,
                what="inference / float row",
                unit="ratio",
                was=was,
                now=now,
                verdict=judge_time(was, now, tolerance),
                allowed=_allowed_time(was, tolerance, "{:.3f}"),
                advice=_TIMES,
            )


def median_changes(report: Report, baseline: Report, pairs: Pairs, tolerance: float) -> Iterator[Change]:
    """Median of the inference, and of the whole frame where both runs were fed alike."""
    steps = MEDIAN_STEPS if report.protocol.frames == baseline.protocol.frames else MEDIAN_STEPS[:1]
    for row, old in pairs:
        for step in steps:
            now, was = _median(row.steps.get(step)), _median(old.steps.get(step))
            if now is not None and was is not None:
                yield Change(
                    where=row.name,
                    what=f"median {step}",
                    unit="ms",
                    was=was,
                    now=now,
                    verdict=judge_time(was, now, tolerance),
                    allowed=_allowed_time(was, tolerance, "{:.3f} ms"),
                    advice=_TIMES,
                )


def _bytes(where: str, what: str, was: int, now: int) -> Change:
    return Change(
        where=where,
        what=what,
        unit="bytes",
        was=exactly(was),
        now=exactly(now),
        verdict=judge_count(was, now, BYTES_TOLERANCE * was),
        allowed=f"{100 * BYTES_TOLERANCE:g} % more",
        advice=_COUNTS["bytes"],
    )


def _count(where: str, what: str, kind: str, was: int, now: int, tolerance: int = 0) -> Change:
    return Change(
        where=where,
        what=what,
        unit="count",
        was=exactly(was),
        now=exactly(now),
        verdict=judge_count(was, now, tolerance),
        allowed=f"{tolerance} more" if tolerance else "no more",
        advice=_COUNTS[kind],
    )


def _float_convolutions(row: Row) -> int | None:
    if row.convolutions is None or row.int8_convolutions is None:
        return None
    return row.convolutions - row.int8_convolutions


def _on(accuracy: AccuracyRecord) -> str:
    return f"{accuracy.metric}, {accuracy.frames} frames of {accuracy.groups} groups of {accuracy.data}"


def _score_changes(where: str, now: AccuracyRecord, was: AccuracyRecord) -> Iterator[Change]:
    if now.value is not None and was.value is not None:
        yield _score(where, was.metric.replace("_", " "), was.value, now.value)
    if now.agreement is not None and was.agreement is not None:
        yield _score(where, "agreement with float", was.agreement, now.agreement)
    if now.drop_points is not None and was.drop_points is not None:
        before = was.drop_points
        points = 100.0 * SCORE_TOLERANCE
        yield Change(
            where=where,
            what=f"drop of {was.metric.replace('_', ' ')} against float",
            unit="points",
            was=before,
            now=now.drop_points,
            verdict=judge_score(before, now.drop_points.value, points, more_is_worse=True),
            allowed=f"up to {max(before.high, before.value + points):.2f} points",
            advice=_SCORES,
        )


def _score(where: str, what: str, was: Interval, now: Interval) -> Change:
    return Change(
        where=where,
        what=what,
        unit="percent",
        was=was,
        now=now,
        verdict=judge_score(was, now.value, SCORE_TOLERANCE),
        allowed=f"from {100 * min(was.low, was.value - SCORE_TOLERANCE):.2f} %",
        advice=_SCORES,
    )


def _float_rows(report: Report) -> set[str]:
    found: dict[str, str] = {}
    for row in report.rows:
        if row.tool == OURS and row.precision == "fp32":
            found.setdefault(row.engine, row.name)
    return set(found.values())


def _ratio(one: Comparison) -> Interval:
    return Interval(value=one.ratio.p50, low=one.ratio.low, high=one.ratio.high)


def _median(latency: Latency | None) -> Interval | None:
    """None where there were too few queries for an interval."""
    median = next((one for one in latency.quantiles if one.percentile == 50.0), None) if latency else None
    if median is None or median.low is None or median.high is None:
        return None
    return Interval(value=median.ms, low=median.low, high=median.high)


def _allowed_time(was: Interval, tolerance: float, form: str) -> str:
    return f"up to {form.format(was.value * (1.0 + tolerance))}, or an interval that reaches {form.format(was.high)}"
