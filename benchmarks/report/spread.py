"""How times spread: a histogram for every row, and its course over the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edgeneuro.benchmarks.document import Row
from edgeneuro.benchmarks.report.blocks import Chart, Table
from edgeneuro.benchmarks.report.style import LINE, PAGE, axis, colour, layout, log_axis, shortened, text
from edgeneuro.benchmarks.report.words import inference, number, short

BINS = 48
"""Of a histogram, equal on the logarithmic axis all rows share."""
STRETCHES = 240
"""At most so many points of a course; each stands for a stretch of the run."""
TENTHS = 10
"""Columns of the table below a course."""
BAND = 74
"""Height of one row's band, px, where the page has room."""
QUANTILES = (0, 10, 25, 50, 75, 90, 99, 100)


def spread(name: str, rows: Sequence[Row], mark: str) -> Iterator[Chart]:
    """Both charts of one engine's rows; none where no query was kept."""
    kept = [row for row in rows if len(row.timeline_ms) > 1]
    if not kept:
        return
    yield Chart(
        name=f"histogram-{mark}",
        title=f"{name}: how inference times spread",
        says=f"A histogram of inference times for each of {len(kept)} rows above a shared logarithmic axis; the line in each is "
        "its median, its last bin holds all slower queries. A narrow one is steady, a second hump or a long tail is not.",
        figure=_histograms(kept),
        numbers=Table(
            caption=f"{name}: inference, ms",
            head=("row", "fastest", *(f"p{level}" for level in QUANTILES[1:-1]), "slowest"),
            rows=tuple(
                (short(row), *(number(float(ms)) for ms in np.percentile(row.timeline_ms, QUANTILES))) for row in kept
            ),
        ),
    )
    yield Chart(
        name=f"timeline-{mark}",
        title=f"{name}: inference over the run",
        says=f"For each of {len(kept)} rows, every query's time over the row's own median, in the order of the run; dots, in a "
        "long run, are the slowest of a stretch. A steady machine shows flat lines at 1.",
        figure=_courses(kept),
        numbers=Table(
            caption=f"{name}: median of each tenth of the run, ms",
            head=("row", *(f"{10 * tenth} %" for tenth in range(1, TENTHS + 1))),
            rows=tuple((short(row), *(number(ms) for ms in _medians(row.timeline_ms, TENTHS))) for row in kept),
        ),
    )


def _histograms(rows: Sequence[Row]) -> dict[str, Any]:
    low = min(min(row.timeline_ms) for row in rows)
    high = max(float(np.percentile(row.timeline_ms, 99.5)) for row in rows)
    edges = np.geomspace(low * 0.999, high * 1.001, BINS + 1)
    data, shapes = [], []
    for place, row in enumerate(rows):
        counts, _ = np.histogram(np.clip(row.timeline_ms, edges[0], edges[-1]), edges)
        data.append(
            {
                "type": "scatter", "mode": "lines", "fill": "tozeroy", "line": {"shape": "hv", "width": 1.2, "color": colour(row.precision)},
                "x": [float(f"{edge:.5g}") for edge in edges], "y": [*counts.tolist(), 0],
                "yaxis": _axis_of(place), "xaxis": "x", "showlegend": False, "name": text(short(row)),
                "hovertemplate": "from %{x:.4g} ms: %{y} queries<extra></extra>",
            }
        )  # fmt: skip
        half = inference(row)
        if half is not None:
            shapes.append(
                {
                    "type": "line", "x0": half.ms, "x1": half.ms, "y0": 0, "y1": 1, "xref": "x",
                    "yref": f"{_axis_of(place)} domain", "line": {"color": LINE, "width": 2, "dash": "dot"},
                }
            )  # fmt: skip
    return _bands(rows, data, shapes, log_axis("inference, ms", [edges[0], edges[-1]]))


def _courses(rows: Sequence[Row]) -> dict[str, Any]:
    data: list[dict[str, Any]] = []
    longest = max(len(row.timeline_ms) for row in rows)
    tops, bottoms = [], []
    for place, row in enumerate(rows):
        times = np.array(row.timeline_ms) / np.median(row.timeline_ms)
        parts = np.array_split(times, min(STRETCHES, len(times)))
        ends = np.cumsum([len(part) for part in parts])
        tops.append(float(np.percentile(times, 99.5)))
        bottoms.append(float(times.min()))
        common = {"type": "scatter", "x": ends.tolist(), "yaxis": _axis_of(place), "xaxis": "x", "showlegend": False}
        data.append(
            {
                **common, "mode": "lines", "line": {"width": 1.2, "color": colour(row.precision)},
                "y": [round(float(np.median(part)), 4) for part in parts],
                "hovertemplate": "query %{x}: %{y:.3f} times the median<extra></extra>",
            }
        )  # fmt: skip
        if longest > STRETCHES:
            data.append(
                {
                    **common, "mode": "markers", "marker": {"size": 3, "color": LINE}, "hoverinfo": "skip",
                    "y": [round(float(part.max()), 4) for part in parts],
                }
            )  # fmt: skip
    figure = _bands(rows, data, [], axis("query, in the order of the run", range=[0, longest + 1]))
    top, low = min(max(1.2, 1.05 * max(tops)), 3.0), 0.95 * min(min(0.84, bottom) for bottom in bottoms)
    for place in range(len(rows)):
        figure["layout"][_key(place)] |= {"range": [low, top], "tickvals": [1, round(top - 0.1, 1)], "title": None}
    return figure


def _bands(rows: Sequence[Row], data: list[Any], shapes: list[Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Rows one above the other, each with its name over its band, above one axis."""
    share = 1 / len(rows)
    axes, names = {}, []
    for place, row in enumerate(rows):
        top = 1 - place * share
        domain = [top - 0.98 * share, top - 0.26 * share]
        axes[_key(place)] = {
            "domain": domain, "anchor": "x", "rangemode": "tozero", "showgrid": False, "zeroline": False,
            "nticks": 3, "automargin": True, "title": None, "tickfont": {"size": 10.5},
        }  # fmt: skip
        names.append(
            {
                "x": 0, "xref": "paper", "xanchor": "left", "y": domain[1], "yref": "paper", "yanchor": "bottom",
                "text": text(shortened(short(row), 46) + (" (chosen)" if row.chosen else "")), "showarrow": False, "font": {"size": 11.5},
            }
        )  # fmt: skip
    shared = {**shared, "anchor": _axis_of(len(rows) - 1)}
    height = min(BAND * len(rows) + 70, PAGE)
    return {
        "data": data,
        "layout": layout(height, xaxis=shared, shapes=shapes, annotations=names, margin={"l": 44, "r": 14, "t": 6, "b": 48}, **axes),
    }  # fmt: skip


def _axis_of(place: int) -> str:
    return "y" if place == 0 else f"y{place + 1}"


def _key(place: int) -> str:
    return "yaxis" if place == 0 else f"yaxis{place + 1}"


def _medians(times: Sequence[float], parts: int) -> list[float | None]:
    return [float(np.median(part)) if len(part) else None for part in np.array_split(np.array(times), parts)]
