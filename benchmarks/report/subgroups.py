"""Whether some people are served worse: accuracy by probe, device, sex, age band, diagnosis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgeneuro.benchmarks.document import Report, Row, Subgroup
from edgeneuro.benchmarks.report.blocks import Block, Chart, Section, Table, Text
from edgeneuro.benchmarks.report.missing import why_missing
from edgeneuro.benchmarks.report.style import LINE, PAGE, SYMBOLS, axis, colour, layout, shortened, text
from edgeneuro.benchmarks.report.words import metric_title, percent, points, sentence, short

LINE_HEIGHT = 46
"""Of a subgroup, px: its name above its intervals."""


def subgroups(report: Report, prefix: str = "") -> Section:
    """For every engine its float row and the chosen one."""
    blocks: list[Block] = []
    for place, engine in enumerate(report.engines):
        rows = [row for row in report.rows if row.engine == engine.name and row.accuracy and row.accuracy.subgroups]
        shown = [row for i, row in enumerate(rows) if i == 0 or row.chosen]
        if shown:
            blocks += _engine(engine.name, shown, f"{prefix}subgroups-{place}")
    if not blocks:
        blocks = [Text(lines=(why_missing(report, "subgroups"),))]
    return Section(name=f"{prefix}subgroups", title="Subgroups", blocks=tuple(blocks))


def _engine(name: str, rows: Sequence[Row], mark: str) -> Iterator[Block]:
    record = rows[0].accuracy
    assert record is not None  # rows are picked by it
    title = metric_title(record.metric)
    yield Text(lines=(name,), kind="title")
    yield Text(
        lines=(
            (
                f"{sentence(title)} of each subgroup with its 95 % interval over groups. Subgroups are small: overlapping intervals are "
                "no proof of equality, and many comparisons make one difference by chance likely."
            ),
        )
    )
    yield Chart(
        name=mark,
        title=f"{name}: {title} by subgroup",
        says=f"{len(record.subgroups)} subgroups, {title} in % with 95 % intervals; the dotted line is that of all {record.unit}s.",
        figure=_figure(rows, title),
        numbers=Table(
            caption=f"{name}: {title} by subgroup, %",
            head=("subgroup", "row", f"{record.unit}s", "groups", "metric, %", "drop, points"),
            rows=tuple(
                (
                    f"{one.column}: {one.value}",
                    short(row),
                    f"{one.frames:,}",
                    f"{one.groups:,}",
                    percent(one.metric),
                    points(one.drop_points),
                )
                for row, one in _pairs(rows)
            ),
            words=(0, 1),
        ),
    )


def _pairs(rows: Sequence[Row]) -> list[tuple[Row, Subgroup]]:
    """Rows of one subgroup beside each other."""
    found = [(row, one) for row in rows if row.accuracy for one in row.accuracy.subgroups]
    order = list(dict.fromkeys((one.column, one.value) for _, one in found))
    return sorted(found, key=lambda pair: order.index((pair[1].column, pair[1].value)))


def _figure(rows: Sequence[Row], title: str) -> dict[str, Any]:
    pairs = _pairs(rows)
    keys = list(dict.fromkeys((one.column, one.value) for _, one in pairs))
    places = {key: len(keys) - 1 - i for i, key in enumerate(keys)}
    data, notes = [], []
    for number, row in enumerate(rows):
        own = [one for other, one in pairs if other is row]
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": text(short(row)),
                "x": [round(100 * one.metric.value, 2) for one in own],
                "y": [places[one.column, one.value] - 0.05 - 0.25 * number for one in own],
                "error_x": {
                    "type": "data", "symmetric": False, "color": colour(row.precision), "thickness": 1.5, "width": 3,
                    "array": [100 * (one.metric.high - one.metric.value) for one in own],
                    "arrayminus": [100 * (one.metric.value - one.metric.low) for one in own],
                },
                "marker": {"color": colour(row.precision), "symbol": SYMBOLS[number], "size": 9},
                "hovertemplate": "%{x:.1f} %<extra></extra>",
            }
        )  # fmt: skip
    for (column, value), place in places.items():
        frames = next(one.frames for _, one in pairs if (one.column, one.value) == (column, value))
        notes.append(
            {
                "x": 0, "xref": "paper", "xanchor": "left", "y": place + 0.28, "yanchor": "middle", "showarrow": False,
                "text": text(f"{column}: {shortened(value)} ({frames:,} frames)"), "font": {"size": 11},
            }
        )  # fmt: skip
    whole = rows[0].accuracy.value if rows[0].accuracy else None
    shapes = [] if whole is None else [
        {"type": "line", "x0": 100 * whole.value, "x1": 100 * whole.value, "y0": 0, "y1": 1, "yref": "paper",
         "line": {"color": LINE, "width": 1.5, "dash": "dot"}, "layer": "below"}
    ]  # fmt: skip
    return {
        "data": data,
        "layout": layout(
            min(LINE_HEIGHT * len(keys) + 100, PAGE),
            xaxis=axis(f"{title}, %"),
            yaxis={"range": [-0.7, len(keys) - 0.4], "showticklabels": False, "showgrid": False, "zeroline": False},
            annotations=notes,
            shapes=shapes,
            margin={"l": 12, "r": 14, "t": 8, "b": 44},
        ),
    }
