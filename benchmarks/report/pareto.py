"""Accuracy against what it costs: operations, time, bytes. Up and to the left is better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeneuro.benchmarks.document import Report
from edgeneuro.benchmarks.report.blocks import Block, Chart, Section, Table, Text
from edgeneuro.benchmarks.report.pareto_figure import pareto_figure
from edgeneuro.benchmarks.report.pareto_points import COSTS, Cost, Point, cost_words, distinct, front_of, points_of
from edgeneuro.benchmarks.report.words import listed, percent, sentence


def pareto(reports: Sequence[Report], prefix: str = "") -> Section:
    """Charts for every data set and metric; with several devices, the symbol tells the device, else the engine."""
    found = [point for report in reports for point in points_of(report, several=len(reports) > 1)]
    groups = list(dict.fromkeys(point.group for point in found))
    blocks: list[Block] = [
        block for i, group in enumerate(groups) for block in _group(reports, found, group, prefix, i)
    ]
    if not found:
        reason = next((why for one in reports for what, why in one.not_measured.items() if "accuracy" in what), "")
        blocks = [Text(lines=(f"No row has an accuracy{': ' + reason if reason else ' to put against its cost'}.",))]
    return Section(name=f"{prefix}pareto", title="Accuracy against cost", blocks=tuple(blocks))


def _group(reports: Sequence[Report], found: Sequence[Point], group: str, prefix: str, place: int) -> Iterator[Block]:
    series = list(dict.fromkeys(point.series for point in found))
    what = "device" if len(reports) > 1 else "engine"
    apart = " of the same device" if len(reports) > 1 else ""
    yield Text(
        lines=(
            (
                f"{sentence(group)}, with 95 % intervals over groups. Colour is the precision, the symbol is the {what}, open symbols are "
                f"rivals, a ring marks what backend=auto takes. The dotted line joins rows that no other{apart} beats in both. Rows of one "
                "engine with the same accuracy and cost are one point; others with the same cost are drawn beside each other."
            ),
            "Rivals run the same network, so operations are shown for this project's rows only.",
        )
    )
    for cost in COSTS:
        points = distinct([point for point in found if point.group == group and cost.name in point.cost], cost.name)
        if points:
            yield _chart(reports, points, cost, series, f"{prefix}pareto-{cost.name}-{place}", group)


def _chart(
    reports: Sequence[Report], points: Sequence[Point], cost: Cost, series: Sequence[str], name: str, group: str
) -> Chart:
    fronts = [front_of(those, cost.name) for those in _runs(reports, points)]
    front = [point for line in fronts for point in line]
    best = listed(point.label for point in front)
    return Chart(
        name=name,
        title=cost.title,
        says=f"{sentence(group)} against {cost.axis}, on a logarithmic axis. Not beaten in both: {best}.",
        figure=pareto_figure(reports, points, cost, series, fronts, group),
        numbers=Table(
            caption=f"{cost.title}: {group}, %",
            head=("row", cost.heading, "accuracy, %", "not beaten in both"),
            rows=tuple(
                (point.label, cost_words(point, cost), percent(point.accuracy), "yes" if point in front else "no")
                for point in sorted(points, key=lambda point: point.cost[cost.name][0])
            ),
            words=(0, 3),
        ),
    )


def _runs(reports: Sequence[Report], points: Sequence[Point]) -> list[list[Point]]:
    """Points by the run they are from: times of different runs are not compared."""
    if len(reports) == 1:
        return [list(points)]
    return [[point for point in points if point.series == name] for name in dict.fromkeys(p.series for p in points)]
