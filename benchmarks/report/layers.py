"""Where the time goes: layer by layer, coloured by precision, beside what the machine could do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeneuro.benchmarks.document import LayerTime, Report, Row
from edgeneuro.benchmarks.report.blocks import Block, Chart, Section, Table, Text
from edgeneuro.benchmarks.report.missing import why_missing
from edgeneuro.benchmarks.report.style import PATTERNS, axis, colour, layout, shortened, text
from edgeneuro.benchmarks.report.words import amount, number

MOST = 30
"""Bars in a chart; the table has every layer."""
BAR = 19
"""Height of a layer, px."""


def layers(report: Report, prefix: str = "") -> Section:
    """Of every engine, what backend=auto takes and the first other row that was profiled, float where that was."""
    profiled = [row for engine in report.engines for row in _picked(report, engine.name)]
    if not profiled:
        blocks: tuple[Block, ...] = (Text(lines=(why_missing(report, "layers"),)),)
    else:
        about = (
            "Medians over profiled frames; profiling itself slows a frame, so compare shares, not sums, with the latencies "
            "above. The floor is what the layer's operations and bytes cost at the peaks measured in this run. Every profiled row "
            "is in report.json; shown are the one that backend=auto takes and the first of the others."
        )
        blocks = (Text(lines=(about,)), *(_chart(row, f"{prefix}layers-{i}") for i, row in enumerate(profiled)))
    return Section(name=f"{prefix}layers", title="Layers", blocks=blocks)


def _picked(report: Report, engine: str) -> list[Row]:
    profiled = [row for row in report.rows if row.engine == engine and row.layers]
    return [row for row in profiled if row.chosen] + [row for row in profiled if not row.chosen][:1]


def _chart(row: Row, mark: str) -> Chart:
    total = sum(layer.ms for layer in row.layers)
    shares = [
        f"{precision or 'other'} {100 * sum(layer.ms for layer in row.layers if layer.precision == precision) / total:.0f} %"
        for precision in dict.fromkeys(layer.precision for layer in row.layers)
        if total > 0
    ]
    slowest = max(row.layers, key=lambda layer: layer.ms)
    return Chart(
        name=mark,
        title=f"{row.name}: time by layer",
        says=f"{len(row.layers)} layers, {number(total)} ms together: {', '.join(shares)} of the time. "
        f"The slowest is {slowest.name} with {number(slowest.ms)} ms.",
        figure=_figure(row.layers),
        numbers=Table(
            caption=f"{row.name}: layers in the order they run",
            head=("layer", "operator", "precision", "ms", "share, %", "floor, ms", "times its floor", "MACs"),
            rows=tuple(_line(layer, total) for layer in row.layers),
            words=(0, 1, 2),
        ),
    )


def _line(layer: LayerTime, total: float) -> tuple[str, ...]:
    return (
        layer.name,
        layer.operator,
        layer.precision or "-",
        number(layer.ms),
        f"{100 * layer.ms / total:.1f}" if total > 0 else "-",
        number(layer.floor_ms),
        number(layer.ms / layer.floor_ms) if layer.floor_ms else "-",
        amount(layer.macs),
    )


def shown(found: Sequence[LayerTime]) -> tuple[list[LayerTime], int]:
    """The slowest layers in the order they run, and how many were left out."""
    if len(found) <= MOST:
        return list(found), 0
    slow = set(sorted(range(len(found)), key=lambda i: found[i].ms, reverse=True)[:MOST])
    return [layer for i, layer in enumerate(found) if i in slow], len(found) - MOST


def _figure(found: Sequence[LayerTime]) -> dict[str, Any]:
    picked, left_out = shown(found)
    places = [str(i) for i in range(len(picked))]
    data = []
    for precision in dict.fromkeys(layer.precision for layer in picked):
        own = [i for i, layer in enumerate(picked) if layer.precision == precision]
        data.append(
            {
                "type": "bar", "orientation": "h", "name": text(precision or "other"),
                "x": [picked[i].ms for i in own], "y": [places[i] for i in own],
                "marker": {
                    "color": colour(precision), "line": {"width": 0},
                    "pattern": {"shape": PATTERNS.get(precision, "."), "fillmode": "overlay", "fgcolor": "#ffffff", "fgopacity": 0.7, "size": 7},
                },
                "hovertext": [text(f"{picked[i].name} ({picked[i].operator}): {number(picked[i].ms)} ms") for i in own],
                "hoverinfo": "text",
            }
        )  # fmt: skip
    floors = [i for i, layer in enumerate(picked) if layer.floor_ms is not None]
    if floors:
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": "floor",
                "x": [picked[i].floor_ms for i in floors], "y": [places[i] for i in floors],
                "marker": {"symbol": "diamond-tall", "size": 11, "color": "#F0E442", "line": {"width": 1.5, "color": "#333333"}},
                "hoverinfo": "x",
            }
        )  # fmt: skip
    title = "ms" if not left_out else f"ms; {left_out} faster layers are in the table only"
    return {
        "data": data,
        "layout": layout(
            BAR * len(picked) + 110,
            barmode="overlay",
            bargap=0.25,
            xaxis=axis(title, rangemode="tozero"),
            yaxis={
                "type": "category", "categoryorder": "array", "categoryarray": places, "autorange": "reversed",
                "tickvals": places, "ticktext": [text(shortened(layer.name, 22)) for layer in picked], "automargin": True,
                "tickfont": {"size": 11}, "showgrid": False,
            },
            margin={"l": 20, "r": 14, "t": 8, "b": 44},
        ),
    }  # fmt: skip
