"""What sections of the page share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgeneuro.benchmarks.report.blocks import Block, Section, Text
from edgeneuro.spec import Array
from edgeneuro.v1.report.records import Document

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A", "#6A3D9A")
"""Okabe and Ito, with a second violet in the place of their yellow, which white paper swallows."""
DIVERGING = [[0.0, "#0072B2"], [0.5, "#FFFFFF"], [1.0, "#D55E00"]]

Arrays = Mapping[str, Mapping[str, Array]]
"""Name of a step -> its arrays."""


def not_run(document: Document, *parts: str) -> Iterator[Text]:
    """The reasons of these parts' steps that were skipped, each reason once."""
    reasons = {why: None for step, why in document.skipped.items() if step.partition(".")[0] in parts}
    if reasons:
        yield Text(lines=("Not run: " + "; ".join(reasons) + ".",))


def section(document: Document, name: str, title: str, blocks: Sequence[Block], *parts: str) -> Section:
    """`blocks`, then what of `parts` was not run."""
    return Section(name=name, title=title, blocks=(*blocks, *not_run(document, *parts)))


def rounded(values: Array, digits: int = 4) -> list[float]:
    """Short enough for a page."""
    return [float(f"{value:.{digits}g}") for value in values.tolist()]


def line(name: str, x: Sequence[float], y: Sequence[float], place: int, dash: str, **more: Any) -> dict[str, Any]:
    """A trace; place: its colour."""
    ink = COLOURS[place % len(COLOURS)]
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": list(x), "y": list(y), "line": {"color": ink, "dash": dash, "width": 2}, **more,
    }  # fmt: skip
