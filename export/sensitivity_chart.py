"""The bar chart of a sensitivity report, as SVG text: one bar a layer, in order of what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from edgeneuro.export.sensitivity import SensitivityReport

MOST_BARS = 30
LABEL_CHARACTERS = 46
ROW, BAR, LABEL, PLOT, RIGHT, TOP, BOTTOM = 24, 15, 340, 460, 70, 84, 56
"""Sizes in px: of a row and of the bar in it, of the columns for names, bars and numbers, of the margins."""
FOUND, OTHER, LINE, TEXT, FAINT = "#c2410c", "#7f93a8", "#1f2937", "#1f2937", "#d8dee6"
FONT = "font-family='system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif'"


@dataclass(frozen=True, kw_only=True)
class Bar:
    """label, in full; error in percent of the outputs' standard deviation; found: one of the most sensitive."""

    label: str
    percent: float
    found: bool


def bars(report: SensitivityReport) -> list[Bar]:
    """Largest first: the layers measured singly, and those that were not told apart, as one bar."""
    single = [
        Bar(label=f"{row.node} ({row.operator})", percent=100 * row.error, found=row.node in report.found)
        for row in report.rows
    ]
    together = [
        Bar(
            label=f"{len(group.nodes)} layers, {group.nodes[0]} to {group.nodes[-1]}",
            percent=100 * group.error,
            found=False,
        )
        for group in report.together
    ]
    return sorted([*single, *together], key=lambda bar: bar.percent, reverse=True)


def chart(report: SensitivityReport, title: str) -> str:
    """The SVG document. title: the model, for the heading."""
    every = bars(report)
    shown = every[:MOST_BARS]
    whole = 100 * report.error
    top_tick, ticks = _ticks(max([whole, *(bar.percent for bar in shown)]))
    height = TOP + ROW * len(shown) + BOTTOM
    width = LABEL + PLOT + RIGHT
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' {FONT}>",
        f"<rect width='{width}' height='{height}' fill='#ffffff'/>",
        _text(16, 28, f"What single layers in INT8 change: {title}", size=17, weight="600"),
        _text(16, 50, _subtitle(report), size=12),
        *_axis(ticks, top_tick, len(shown)),
        *(part for place, bar in enumerate(shown) for part in _row(place, bar, top_tick)),
        *_whole(whole, top_tick, len(shown)),
        _text(LABEL, height - 14, "error of the outputs, % of their standard deviation", size=12),
    ]
    if len(every) > len(shown):
        parts.append(_text(16, height - 14, f"and {len(every) - len(shown)} smaller", size=12))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _subtitle(report: SensitivityReport) -> str:
    how = "emulated" if report.emulated else "run on this machine"
    back = f"; {100 * report.error_kept:.2g} % with the first {len(report.keep_float)} back in float"
    return f"{report.form}, {how}; all {report.layers} layers in INT8: {100 * report.error:.2g} %{back if report.keep_float else ''}"


def _row(place: int, bar: Bar, largest: float) -> list[str]:
    y = TOP + ROW * place
    length = max(PLOT * bar.percent / largest, 1.0)
    colour = FOUND if bar.found else OTHER
    return [
        f"<g><title>{escape(bar.label)}: {bar.percent:.3g} %</title>",
        _text(LABEL - 10, y + 16, _shortened(bar.label), size=12, anchor="end"),
        f"<rect x='{LABEL}' y='{y + (ROW - BAR) / 2:g}' width='{length:.1f}' height='{BAR}' rx='2' fill='{colour}'/>",
        _text(LABEL + length + 6, y + 16, f"{bar.percent:.2g}", size=12),
        "</g>",
    ]


def _axis(ticks: list[float], largest: float, rows: int) -> list[str]:
    bottom = TOP + ROW * rows
    parts = []
    for tick in ticks:
        x = LABEL + PLOT * tick / largest
        parts.append(f"<line x1='{x:.1f}' y1='{TOP - 4}' x2='{x:.1f}' y2='{bottom}' stroke='{FAINT}'/>")
        parts.append(_text(x, bottom + 18, f"{tick:g}", size=12, anchor="middle"))
    return parts


def _whole(percent: float, largest: float, rows: int) -> list[str]:
    """The line at the error of the whole placement."""
    x = LABEL + PLOT * percent / largest
    bottom = TOP + ROW * rows
    return [
        f"<line x1='{x:.1f}' y1='{TOP - 4}' x2='{x:.1f}' y2='{bottom}' stroke='{LINE}' stroke-dasharray='4 3'/>",
        _text(x, TOP - 9, "all in INT8", size=11, anchor="middle"),
    ]


def _ticks(largest: float) -> tuple[float, list[float]]:
    """A round number not below `largest`, and up to six round steps to it from 0."""
    if largest <= 0:
        return 1.0, [0.0, 1.0]
    magnitude = 10.0 ** int(f"{largest:e}".partition("e")[2])
    step = next(step for step in (0.2, 0.5, 1.0, 2.0) if 5 * step * magnitude >= largest) * magnitude
    count = next(count for count in range(1, 6) if count * step >= largest * (1 - 1e-9))
    return count * step, [number * step for number in range(count + 1)]


def _shortened(label: str) -> str:
    """The middle of a long label left out: names of layers differ at their ends."""
    if len(label) <= LABEL_CHARACTERS:
        return label
    half = LABEL_CHARACTERS // 2
    return f"{label[:half]}…{label[-half:]}"


def _text(x: float, y: float, words: str, *, size: int, anchor: str = "start", weight: str = "400") -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' font-weight='{weight}' text-anchor='{anchor}' "
        f"fill='{TEXT}'>{escape(words)}</text>"
    )
