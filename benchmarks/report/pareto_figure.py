"""The chart of accuracy against one cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeneuro.benchmarks.document import Report
from edgeneuro.benchmarks.report.pareto_points import Cost, Point, cost_words
from edgeneuro.benchmarks.report.style import LINE, SYMBOLS, axis, colour, layout, log_axis, shortened, text, vertical
from edgeneuro.benchmarks.report.words import amount, percent

DODGE = 0.02
"""Powers of ten between points of one engine that have the same cost."""


def pareto_figure(
    reports: Sequence[Report],
    points: Sequence[Point],
    cost: Cost,
    series: Sequence[str],
    fronts: Sequence[Sequence[Point]],
    group: str,
    *,
    ring: str = "taken by backend=auto",
) -> dict[str, Any]:
    """reports: where the points are from, empty for points of no report. series: what symbols stand for, in order. fronts: lines
    of points that no other of their run beats. group: the metric and the data. ring: what it means that a point is chosen."""
    dual = _dual(reports) if cost.name == "macs" else None
    values = [value for point in points for value in point.cost[cost.name] if value is not None]
    if dual is not None:
        values += dual
    shapes, notes = _dual_lines(reports[0], dual) if dual is not None else ([], [])
    shifts = _shifts(points, cost.name)
    kinds = list(dict.fromkeys((point.series, point.precision, point.ours) for point in points))
    traces = [
        *(_front(line, cost.name, first=i == 0) for i, line in enumerate(fronts)),
        *(_trace(points, kind, cost, series, shifts) for kind in kinds),
    ]
    chosen = [point for point in points if point.chosen]
    if chosen:
        traces.append(_ring(chosen, cost.name, shifts, ring))
    return {
        "data": traces,
        "layout": layout(
            420 + 18 * len(kinds),
            margin={"l": 52, "r": 14, "t": 44 if notes else 12, "b": 44},  # words stand above the plot
            xaxis=log_axis(cost.axis, values, letters=cost.letters),
            yaxis=axis(f"{text(group.partition(' on ')[0])}, %"),
            shapes=shapes,
            annotations=notes,
        ),
    }


def _dual(reports: Sequence[Report]) -> list[float] | None:
    """The share that was claimed and the whole, in MACs, where an engine is compared with the dual-branch network."""
    if all(engine.dual_share is None for one in reports for engine in one.engines):
        return None
    report = reports[0]
    return [report.claimed_share * report.dual_macs, float(report.dual_macs)]


def _dual_lines(report: Report, dual: Sequence[float]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    claim = f"{100 * report.claimed_share:g} % of it: {amount(dual[0])}"
    whole, whole_note = vertical(
        dual[1], f"dual-branch network: {amount(dual[1])}", anchor="right", dash="solid", lift=15
    )
    claimed, claimed_note = vertical(dual[0], claim, anchor="left")
    return [whole, claimed], [whole_note, claimed_note]


def _shifts(points: Sequence[Point], cost: str) -> dict[str, float]:
    """label -> factor by which a point is drawn beside those of the same cost."""
    same: dict[float, list[str]] = {}
    for point in points:
        same.setdefault(point.cost[cost][0], []).append(point.label)
    return {
        label: 10 ** (DODGE * (place - (len(labels) - 1) / 2))
        for labels in same.values()
        for place, label in enumerate(labels)
    }


def _trace(
    points: Sequence[Point],
    kind: tuple[str, str, bool],
    cost: Cost,
    series: Sequence[str],
    shifts: Mapping[str, float],
) -> dict[str, Any]:
    own = [point for point in points if (point.series, point.precision, point.ours) == kind]
    name, precision, ours = kind
    symbol = SYMBOLS[series.index(name) % len(SYMBOLS)]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": text(f"{shortened(name)}: {precision or 'precision unknown'}{'' if ours else ', rivals'}"),
        "x": [point.cost[cost.name][0] * shifts[point.label] for point in own],
        "y": [round(100 * point.accuracy.value, 3) for point in own],
        "error_y": _errors([(p.accuracy.value, p.accuracy.low, p.accuracy.high) for p in own], 100, colour(precision)),
        "marker": {
            "color": colour(precision), "symbol": symbol if ours else f"{symbol}-open", "size": 11, "line": {"width": 1.5, "color": colour(precision)},
        },
        "hovertext": [
            text(f"{point.label}\n{cost_words(point, cost)} {cost.axis}\n{percent(point.accuracy)} %").replace("\n", "<br>")
            for point in own
        ],
        "hoverinfo": "text",
    }  # fmt: skip
    if cost.name == "ms":
        trace["error_x"] = _errors([point.cost["ms"] for point in own], 1, colour(precision))
    return trace


def _errors(values: Sequence[tuple[float, float | None, float | None]], scale: float, ink: str) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [0.0 if high is None else scale * max(high - value, 0.0) for value, _, high in values],
        "arrayminus": [0.0 if low is None else scale * max(value - low, 0.0) for value, low, _ in values],
        "color": ink,
        "thickness": 1.2,
        "width": 3,
    }


def _front(front: Sequence[Point], cost: str, *, first: bool) -> dict[str, Any]:
    return {
        "showlegend": first,
        "type": "scatter",
        "mode": "lines",
        "name": "not beaten in both",
        "x": [point.cost[cost][0] for point in front],
        "y": [round(100 * point.accuracy.value, 3) for point in front],
        "line": {"color": LINE, "width": 1.5, "dash": "dot", "shape": "hv"},
        "hoverinfo": "skip",
    }


def _ring(points: Sequence[Point], cost: str, shifts: Mapping[str, float], name: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [point.cost[cost][0] * shifts[point.label] for point in points],
        "y": [round(100 * point.accuracy.value, 3) for point in points],
        "marker": {"symbol": "circle-open", "size": 20, "color": LINE, "line": {"width": 2}},
        "hoverinfo": "skip",
    }
