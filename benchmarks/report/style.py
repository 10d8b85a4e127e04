"""How charts look: colours of Okabe and Ito (jfly.uni-koeln.de/color), never colour alone, text that fits a phone.

Text, grid and background take their colour from the page's style sheet, so that light, dark and paper each have their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Any

COLOURS: Mapping[str, str] = {
    "fp32": "#0072B2",
    "int8": "#D55E00",
    "fp16": "#CC79A7",
    "bf16": "#009E73",
    "mixed": "#E69F00",
    "fp8": "#56B4E9",
    "": "#8A8A8A",
}
"""Of a precision; "" where it is not known."""
PATTERNS: Mapping[str, str] = {"fp32": "", "int8": "/", "fp16": "x", "bf16": "\\", "mixed": "+", "fp8": "-", "": "."}
"""Of a bar, by precision."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "triangle-down")
"""Of points, by engine or device; "-open" is added for rivals."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
LINE = "#8A8A8A"
"""Of limits and references, legible on white and on black."""
PAGE = 900
"""Height in px up to which a chart fits one printed page."""
LEADING: tuple[tuple[float, tuple[float, ...]], ...] = (
    (2.2, (1,)),
    (0.8, (1, 2, 5)),
    (0.0, (1, 1.5, 2, 3, 5, 7)),
)
"""From so many powers of ten on, a logarithmic axis has labels at these digits."""


def colour(precision: str) -> str:
    """Of a precision, grey for a new one."""
    return COLOURS.get(precision, COLOURS[""])


def text(words: str) -> str:
    """Plotly reads tags and entities in every label: a name must not become one."""
    return escape(words, quote=False)


def shortened(words: str, most: int = 26) -> str:
    """The middle of a long name left out: names of layers differ at their ends."""
    if len(words) <= most:
        return words
    half = (most - 1) // 2
    return f"{words[:half]}…{words[-half:]}"


def layout(height: int, **more: Any) -> dict[str, Any]:
    """Of every chart; height in px."""
    return {
        "height": height,
        "autosize": True,
        "margin": {"l": 52, "r": 14, "t": 30, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif", "size": 12.5},
        "dragmode": False,
        "hovermode": "closest",
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xref": "paper"},
        **more,
    }


def axis(title: str, **more: Any) -> dict[str, Any]:
    """A linear axis; numbers never as "10k"."""
    return {
        "title": {"text": title, "standoff": 8},
        "automargin": True,
        "zeroline": False,
        "showgrid": True,
        "ticks": "outside",
        "separatethousands": True,
        **more,
    }


def log_axis(title: str, values: Sequence[float], *, letters: bool = False, **more: Any) -> dict[str, Any]:
    """A logarithmic axis around `values`, all above 0, with round labels.

    letters: labels as "100 M".
    """
    low, high = log10(min(values)), log10(max(values))
    margin = max(0.06 * (high - low), 0.04)
    low, high = low - margin, high + margin
    leading = next(digits for decades, digits in LEADING if high - low >= decades)
    every = [digit * 10.0**power for power in range(floor(low), ceil(high) + 1) for digit in leading]
    ticks = [tick for tick in every if low <= log10(tick) <= high]
    return axis(
        title,
        type="log",
        range=[low, high],
        tickvals=ticks,
        ticktext=[_letters(tick) if letters else f"{tick:,.10g}" for tick in ticks],
        **more,
    )


def _letters(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"


def vertical(
    x: float, words: str, *, anchor: str = "center", dash: str = "dash", lift: int = 0
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A line across the plot at `x`, and its words `lift` px above it: a shape and an annotation, for a logarithmic x axis."""
    line = {
        "type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
        "line": {"color": LINE, "width": 1.5, "dash": dash},
    }  # fmt: skip
    note = {
        "x": log10(x), "y": 1, "yref": "paper", "yanchor": "bottom", "xanchor": anchor, "text": text(words),
        "showarrow": False, "font": {"size": 11.5}, "yshift": lift,
    }  # fmt: skip
    return line, note
