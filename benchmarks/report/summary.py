"""What was found, in sentences: noise first, then each engine's loss, speed, compute and choice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeneuro.benchmarks.document import OURS, Comparison, EngineRecord, Report, Row
from edgeneuro.benchmarks.report.blocks import Block, Section, Table, Text
from edgeneuro.benchmarks.report.words import (
    UNKNOWN,
    amount,
    at,
    inference,
    listed,
    metric_title,
    number,
    percent,
    points,
    score,
    sentence,
    short,
    size,
    times,
)
from edgeneuro.benchmarks.rivals.accuracy import fastest_rival

SIMULATED = "simulated_training"
"""Flag of an engine trained on made-up data."""
DISCLAIMER = "Research software, not a medical device."


def summary(report: Report, prefix: str = "") -> Section:
    """The section a reader who stops after one page has read."""
    blocks: list[Block] = [noise(report), _measured(report)]
    for engine in report.engines:
        blocks.append(Text(lines=(engine.name,), kind="title"))
        blocks.append(Text(lines=tuple(_engine(report, engine)), kind="list"))
    blocks.append(_table(report))
    simulated = [engine.name for engine in report.engines if SIMULATED in engine.flags]
    if simulated:
        blocks.append(
            Text(
                lines=(f"{listed(simulated)}: trained on simulated data. Accuracy says nothing about patients.",),
                kind="warning",
            )
        )
    return Section(name=f"{prefix}summary", title="Summary", blocks=tuple(blocks))


def noise(report: Report) -> Text:
    """Whether comparisons can be trusted, in words."""
    same = report.quiet.same
    if report.quiet.quiet:
        proof = "" if same is None else f" One row against itself took {times(same)} times its own time."
        return Text(lines=(f"Comparisons of this run hold.{proof}",), kind="good")
    reasons = report.quiet.reasons or ("No reason was recorded.",)
    head = "No verdict on speed: the machine was too noisy. Measure again on a quiet one."
    return Text(lines=(head, *reasons), kind="warning")


def _measured(report: Report) -> Text:
    ours = sum(row.tool == OURS for row in report.rows)
    rivals = len(report.rows) - ours
    beside = f" and {rivals} rivals beside them" if rivals else ""
    machine = report.machine
    threads = (
        "as many threads as each backend takes"
        if report.conditions.threads is None
        else f"{report.conditions.threads} thread(s)"
    )
    return Text(
        lines=(
            (
                f"{len(report.engines)} engine(s) in {ours} forms{beside}, on {report.device}: "
                f"{machine.get('processor', 'an unnamed processor')}, {machine.get('cores', '?')} cores, {threads}. "
                f"Fed: {report.protocol.frames}."
            ),
        )
    )


def float_row(report: Report, engine: EngineRecord) -> Row | None:
    """What the others are compared with: the first float row of ours."""
    own = (row for row in report.rows if row.engine == engine.name and row.tool == OURS)
    return next((row for row in own if row.precision == "fp32"), None)


def chosen_row(report: Report, engine: EngineRecord) -> Row | None:
    """What backend=auto takes."""
    return next((row for row in report.rows if row.engine == engine.name and row.chosen), None)


def compared(report: Report, row: Row, reference: Row) -> Comparison | None:
    """The comparison of exactly these two."""
    pair = (row.name, reference.name)
    return next((one for one in report.comparisons if (one.row, one.reference) == pair), None)


def _engine(report: Report, engine: EngineRecord) -> Iterator[str]:
    chosen, base = chosen_row(report, engine), float_row(report, engine)
    if chosen is not None:
        why = f": {engine.auto}" if engine.auto else ""
        yield f"backend=auto takes {short(chosen)}{why}."
        yield from _accuracy(chosen)
        yield from _speed(report, engine, chosen, base)
    elif base is not None:
        yield from _accuracy(base)
    if engine.dual_share is not None:
        inside = "inside" if engine.dual_share <= report.claimed_share else "above"
        yield (
            f"Compute: {amount(engine.compute.macs)} MACs a frame are {100 * engine.dual_share:.4f} % of the dual-branch "
            f"network's {amount(report.dual_macs)}, {inside} the {100 * report.claimed_share:g} % that Tan et al. 2024 claim; "
            f"input {engine.input}, {report.dual_source}."
        )
    else:
        yield f"Compute: {amount(engine.compute.macs)} MACs a frame, {amount(engine.compute.params)} parameters."


def _accuracy(row: Row) -> Iterator[str]:
    record = row.accuracy
    value = score(record)
    if record is None or value is None:
        return
    drop = record.drop_points
    leaky = " (leaky protocol)" if record.protocol == "leaky" else ""
    head = f"{sentence(metric_title(record.metric))} on {record.data}{leaky}, {record.frames:,} {record.unit}s of {record.groups:,} groups: {percent(value)} %"
    if drop is None:
        yield f"{head}."
    elif drop.low > 0:
        yield f"{head}; {points(drop)} points lost against float."
    elif drop.high < 0:
        yield f"{head}; {points(drop)} points drop against float, so it gained."
    else:
        yield f"{head}; drop against float {points(drop)} points: no loss shown, the interval ends at {drop.high:.2f}."


def _speed(report: Report, engine: EngineRecord, chosen: Row, base: Row | None) -> Iterator[str]:
    rival = fastest_rival(report.rows, chosen)
    for other, what in ((base, "float"), (rival, "the fastest rival that is not shown to be less accurate")):
        found = compared(report, chosen, other) if other is not None else None
        if other is not None and found is not None:
            yield f"Inference takes {times(found.ratio)} times that of {what}, {short(other)}: {found.verdict}."
    half, tail, whole = inference(chosen), inference(chosen, 99.0), at(chosen.steps.get("total"), 50.0)
    if half is not None:
        frame = "" if whole is None else f"; the whole frame {number(whole.ms)} ms"
        worst = "" if tail is None else f", p99 {number(tail.ms)} ms"
        yield f"One frame: inference {number(half.ms)} ms, median{worst}{frame}."
    if chosen.roofline is not None:
        yield f"Inference takes {number(chosen.roofline.distance)} times the floor that this machine's own peaks set."


def _table(report: Report) -> Table:
    return Table(
        caption="At a glance: what backend=auto takes, or the float form where nothing was chosen",
        head=("engine", "takes", "inference, ms", "p99", "time / float", "metric, %", "drop, points", "MACs", "graph"),
        rows=tuple(line for engine in report.engines for line in _glance(report, engine)),
        words=(0, 1),
    )


def _glance(report: Report, engine: EngineRecord) -> Sequence[tuple[str, ...]]:
    base = float_row(report, engine)
    row = chosen_row(report, engine) or base
    if row is None:
        return ()
    found = compared(report, row, base) if base is not None else None
    half, tail = inference(row), inference(row, 99.0)
    return (
        (
            engine.name,
            short(row),
            UNKNOWN if half is None else number(half.ms),
            UNKNOWN if tail is None else number(tail.ms),
            times(None if found is None else found.ratio),
            percent(score(row.accuracy)),
            points(None if row.accuracy is None else row.accuracy.drop_points),
            amount(engine.compute.macs),
            size(row.bytes),
        ),
    )
