"""The page of a search by `edgeneuro compress`: the result, accuracy against cost, every trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgeneuro.benchmarks.report.blocks import Block, Chart, Page, Part, Section, Table, Text
from edgeneuro.benchmarks.report.pareto_figure import pareto_figure
from edgeneuro.benchmarks.report.pareto_points import COSTS, Cost, Point, cost_words
from edgeneuro.benchmarks.report.style import vertical
from edgeneuro.benchmarks.report.words import (
    UNKNOWN,
    amount,
    duration,
    listed,
    metric_title,
    number,
    percent,
    points,
    sentence,
)
from edgeneuro.export.compress.pareto import ParetoDocument, goal_words
from edgeneuro.export.compress.records import Outcome
from edgeneuro.manifest import Interval

HEAD = (
    "trial", "state", "input, px", "precision", "kept in float", "blocks left out", "MACs", "of the base", "ms [p10, p90]", "backend",
    "validation score, % [95 %]", "drop, points [95 %]", "epochs", "time", "reason",
)  # fmt: skip
WORDS = (0, 1, 3, 5, 9, 14)
"""Columns that hold words."""


def compress_page(found: ParetoDocument) -> Page:
    """Self-contained; numbers of the test part are in its first section alone."""
    sections = (_result(found), _pareto(found), _trials(found))
    about = f"{found.model}, at most {goal_words(found.settings.goal)}, {len(found.trials)} trials, seed {found.settings.seed}"
    return Page(title="edgeneuro compress", about=about, parts=(Part(name="all", title="", sections=sections),))


def trial_cells(one: Outcome, base_macs: int) -> tuple[str, ...]:
    """A row below HEAD."""
    candidate = one.candidate
    ms = UNKNOWN
    if one.latency_ms is not None:
        median, low, high = map(number, one.latency_ms)
        ms = f"{median} [{low}, {high}]"
    return (
        f"trial {one.number}",
        one.state,
        str(candidate.image_size),
        candidate.precision,
        str(candidate.kept_float) if candidate.precision == "int8" else UNKNOWN,
        ", ".join(candidate.removed) or UNKNOWN,
        amount(one.macs),
        UNKNOWN if one.macs is None else f"{one.macs / base_macs:.3f}",
        ms,
        one.backend or UNKNOWN,
        percent(one.score),
        points(one.drop_points),
        str(one.epochs),
        duration(one.seconds),
        one.reason or UNKNOWN,
    )


def _result(found: ParetoDocument) -> Section:
    base = (
        f"The base multiplies {amount(found.base.macs)} times a frame of {found.base.image_size} px and has "
        f"{amount(found.base.params)} parameters"
    )
    score = "." if found.base_score is None else f"; in float it scores {100 * found.base_score:.1f} % on validation."
    lines = (found.why, base + score)
    blocks: list[Block] = [Text(lines=lines)]
    if found.result is None:
        blocks.append(Text(lines=("The winner was not trained to its end and not tested.",), kind="warning"))
    else:
        blocks += _tested(found, found.result)
    return Section(name="result", title="Result", blocks=tuple(blocks))


def _tested(found: ParetoDocument, result: Mapping[str, Any]) -> Iterator[Block]:
    reason = sentence(result["reason"].strip())
    good = (
        "The engine is inside the margin against its own float graph, and not shown to be outside it against the base."
    )
    yield Text(lines=(good,) if result["written"] else ("The engine was not written.", reason), kind="paragraph")
    rows = [
        ("multiply-accumulates", f"{amount(result['macs'])}, {result['macs_share']:.3f} of the base"),
        ("parameters", amount(result["params"])),
    ]
    if latency := result["latency"]:
        median, low, high = map(number, latency["ms"])
        beside = f"{latency['ratio']:.3f} of the uncompressed INT8 engine's"
        rows.append(
            ("inference", f"{median} ms [{low}, {high}] on {latency['backend']}, {latency['precision']}; {beside}")
        )
    for name in ("validation", "test"):
        if judged := result[name]:
            score, base, drop = (Interval(**judged[key]) for key in ("score", "base", "drop_points"))
            rows += [
                (f"{name} score, %", f"{percent(score)}; base in float {percent(base)}"),
                (
                    f"{name} drop, points",
                    f"{points(drop)}, paired by frame against the base in float: {judged['gate']['verdict']}",
                ),
            ]
    caption = f"Trial {result['number']}, trained to its end; {metric_title(found.base.metric)}; the test part was looked at once, here"
    yield Table(caption=caption, head=("what", "value"), rows=tuple(rows), words=(0, 1))
    steps = tuple((name, digest) for name, digest in result["checkpoints"].items())
    yield Table(
        caption="Checkpoints, in the folder final of the study",
        head=("step", "SHA-256 of the weights"),
        rows=steps,
        words=(0, 1),
    )


def _pareto(found: ParetoDocument) -> Section:
    scored = [one for one in found.trials if one.score is not None]
    if not scored:
        return Section(name="pareto", title="Accuracy against cost", blocks=(Text(lines=("No trial has a score.",)),))
    says = (
        f"{sentence(metric_title(found.base.metric))} on the validation part, after {found.settings.epochs} epochs at most, with 95 % intervals "
        "over groups. Colour is the precision, the symbol is the input size, a ring marks the winner. The dotted line joins trials "
        "that no other beats in both. The best of many trials is better on the data it was chosen by than on others: the test part tells."
    )
    costs = [cost for cost in COSTS if cost.name in found.not_beaten]
    charts = [_chart(found, cost, scored) for cost in costs if _points(found, scored, cost)]
    return Section(name="pareto", title="Accuracy against cost", blocks=(Text(lines=(says,)), *charts))


def _chart(found: ParetoDocument, cost: Cost, scored: Sequence[Outcome]) -> Chart:
    cost = replace(cost, heading="ms [p10, p90]") if cost.name == "ms" else cost
    drawn = _points(found, scored, cost)
    front = [drawn[number] for number in found.not_beaten[cost.name]]
    ordered = sorted(drawn.values(), key=lambda point: point.cost[cost.name][0])
    series = [f"{size} px" for size in sorted({one.candidate.image_size for one in scored})]
    group = f"{metric_title(found.base.metric)} on validation frames"
    figure = pareto_figure((), ordered, cost, series, [front], group, ring="winner")
    limit = _limit(found, cost)
    if limit is not None:
        line, note = vertical(limit, "goal", anchor="right")
        figure["layout"] |= {"shapes": [line], "annotations": [note]}
        figure["layout"]["margin"] |= {"t": 30}
    return Chart(
        name=f"pareto-{cost.name}",
        title=cost.title,
        says=f"Validation score against {cost.axis}, on a logarithmic axis. Not beaten in both: {listed(one.label for one in front)}.",
        figure=figure,
        numbers=Table(
            caption=f"{cost.title}, validation part",
            head=("trial", cost.heading, "score, % [95 %]", "not beaten in both"),
            rows=tuple(
                (one.label, cost_words(one, cost), percent(one.accuracy), "yes" if one in front else "no")
                for one in ordered
            ),
            words=(0, 3),
        ),
    )


def _points(found: ParetoDocument, scored: Sequence[Outcome], cost: Cost) -> dict[int, Point]:
    """Number of the trial -> its point, where it has this cost."""
    spent: dict[int, tuple[float, float | None, float | None]] = {}
    for one in scored:
        if cost.name == "macs" and one.macs is not None:
            spent[one.number] = (float(one.macs), None, None)
        elif cost.name == "ms" and one.latency_ms is not None:
            spent[one.number] = one.latency_ms
    return {
        one.number: Point(
            label=f"trial {one.number}",
            series=f"{one.candidate.image_size} px",
            group="validation",
            precision=one.candidate.precision,
            ours=True,
            chosen=one.number == found.winner,
            accuracy=one.score,
            cost={cost.name: spent[one.number]},
        )
        for one in scored
        if one.number in spent and one.score is not None
    }


def _limit(found: ParetoDocument, cost: Cost) -> float | None:
    """The goal on this axis."""
    goal = found.settings.goal
    if cost.name == "macs":
        return None if goal.macs is None else goal.macs * found.base.macs
    return goal.latency_ms


def _trials(found: ParetoDocument) -> Section:
    states = [one.state for one in found.trials]
    counts = listed(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    early = (
        f"{sentence(counts)}. What is above the goal is not trained. A trial is stopped early where its best epoch is below "
        "the median that complete trials had by the same epoch."
    )
    table = Table(
        caption="Every trial; scores are of the validation part",
        head=HEAD,
        rows=tuple(trial_cells(one, found.base.macs) for one in found.trials),
        words=WORDS,
    )
    return Section(name="trials", title="Trials", blocks=(Text(lines=(early,)), table))
