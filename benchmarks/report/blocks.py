"""What a report says, without how it looks: parts of sections of text, tables, charts and pictures.

`markdown` and `html` turn the same page into a file each. Nothing here is escaped; they do that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Figure = Mapping[str, Any]
"""Plotly's JSON: "data" (traces) and "layout"."""
Kind = Literal["paragraph", "title", "list", "good", "warning"]
"""title: a heading below the section's. good, warning: a box that begins with a word, so that colour is not needed."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """One line a sentence or item."""

    lines: tuple[str, ...]
    kind: Kind = "paragraph"


@dataclass(frozen=True, kw_only=True)
class Table:
    """caption: what it shows, with units. rows: cells in the order of `head`. words: columns that hold words and are
    left-aligned; the others hold numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[int, ...] = (0,)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """name: unique in the page. says: for who cannot see it, what it shows and what to read off. numbers: what is drawn."""

    name: str
    title: str
    says: str
    figure: Figure
    numbers: Table


@dataclass(frozen=True, kw_only=True)
class Panel:
    """alt: for who cannot see it, what it shows. png: the file."""

    alt: str
    png: bytes


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Panels of the same size beside each other. name: unique in the page. says: how to read them. key: colour ("#e69f00") -> what it marks, the
    colour named in words."""

    name: str
    title: str
    says: str
    panels: tuple[Panel, ...]
    key: tuple[tuple[str, str], ...]


Block = Text | Table | Chart | Picture


@dataclass(frozen=True, kw_only=True)
class Section:
    """name: unique in the page, its address."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """title: "" where the page has one part only."""

    name: str
    title: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """title: of the document. about: one line on who measured what, where and when."""

    title: str
    about: str
    parts: tuple[Part, ...]

    def charts(self) -> Iterator[Chart]:
        """All charts, in order."""
        for part in self.parts:
            for section in part.sections:
                for block in section.blocks:
                    if isinstance(block, Chart):
                        yield block
