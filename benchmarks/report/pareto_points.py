"""Rows as points of accuracy and cost, and which of them no other beats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from edgeneuro.benchmarks.document import OURS, Report
from edgeneuro.benchmarks.report.words import amount, inference, metric_title, number, score, size
from edgeneuro.manifest import Interval


@dataclass(frozen=True, kw_only=True)
class Point:
    """One row. series: what its symbol stands for. group: what must be the same for accuracies to be compared. cost:
    kind -> value, low, high."""

    label: str
    series: str
    group: str
    precision: str
    ours: bool
    chosen: bool
    accuracy: Interval
    cost: Mapping[str, tuple[float, float | None, float | None]]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One kind of cost. heading: of the column. letters: whether axis labels are like "100 M"."""

    name: str
    title: str
    axis: str
    heading: str
    letters: bool


COSTS = (
    Cost(name="macs", title="Accuracy against operations", axis="MACs a frame", heading="MACs", letters=True),
    Cost(name="ms", title="Accuracy against time", axis="inference, ms, median", heading="ms [95 %]", letters=False),
    Cost(name="bytes", title="Accuracy against bytes", axis="bytes of the graph", heading="bytes", letters=True),
)


def points_of(report: Report, *, several: bool) -> Iterator[Point]:
    """Every row that has an accuracy. several: whether points of other devices stand beside them."""
    macs = {engine.name: engine.compute.macs for engine in report.engines}
    for row in report.rows:
        accuracy, value, half = row.accuracy, score(row.accuracy), inference(row)
        if accuracy is None or value is None:
            continue
        cost: dict[str, tuple[float, float | None, float | None]] = {"macs": (float(macs[row.engine]), None, None)}
        if half is not None:
            cost["ms"] = (half.ms, half.low, half.high)
        if row.bytes:
            cost["bytes"] = (float(row.bytes), None, None)
        leaky = ", leaky protocol" if accuracy.protocol == "leaky" else ""
        yield Point(
            label=f"{report.device}: {row.name}" if several else row.name,
            series=report.device if several else row.engine,
            group=f"{metric_title(accuracy.metric)} on {accuracy.data}{leaky}",
            precision=row.precision,
            ours=row.tool == OURS,
            chosen=row.chosen,
            accuracy=value,
            cost=cost,
        )


def distinct(points: Sequence[Point], cost: str) -> list[Point]:
    """Rows of one series and precision with the same accuracy and cost as one point that names them all. Of operations,
    this project's rows alone."""
    same: dict[tuple[object, ...], list[Point]] = {}
    for point in points:
        if point.ours or cost != "macs":
            key = (point.series, point.precision, point.ours, point.accuracy, point.cost[cost])
            same.setdefault(key, []).append(point)
    return [
        replace(
            those[0],
            label=", ".join((those[0].label, *(other.label.rpartition(": ")[2] for other in those[1:]))),
            chosen=any(point.chosen for point in those),
        )
        for those in same.values()
    ]


def front_of(points: Sequence[Point], cost: str) -> list[Point]:
    """Those to which no other is at least as good in accuracy and cost and better in one; cheapest first."""

    def beaten(point: Point) -> bool:
        own = (point.cost[cost][0], -point.accuracy.value)
        others = ((other.cost[cost][0], -other.accuracy.value) for other in points)
        return any(x <= own[0] and y <= own[1] and (x, y) != own for x, y in others)

    return sorted((point for point in points if not beaten(point)), key=lambda point: point.cost[cost][0])


def cost_words(point: Point, cost: Cost) -> str:
    """A cell."""
    value, low, high = point.cost[cost.name]
    if cost.name == "bytes":
        return size(int(value))
    if cost.name == "macs":
        return amount(value)
    return f"{number(value)} [{'?' if low is None else number(low)}, {'?' if high is None else number(high)}]"
