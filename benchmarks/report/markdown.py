"""report.md: the same content in compact tables."""

from __future__ import annotations

from collections.abc import Iterator

from edgeneuro.benchmarks.report.blocks import Block, Chart, Page, Picture, Table, Text
from edgeneuro.benchmarks.report.summary import DISCLAIMER

SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*[]<>|"} | {"\n": " ", "\r": " "})
"""What Markdown or HTML in it would take for more than a letter."""
WORDS = {"good": "Quiet.", "warning": "Note."}
"""Before a box's first line."""


def markdown(page: Page) -> str:
    """Charts are given as their numbers, pictures as their titles."""
    return "\n".join(_lines(page)).rstrip() + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield from (f"# {escape(page.title)}", "", escape(page.about), "", f"*{DISCLAIMER}*", "")
    for part in page.parts:
        level = "##"
        if part.title:
            yield from (f"## {escape(part.title)}", "")
            level = "###"
        for section in part.sections:
            yield from (f"{level} {escape(section.title)}", "")
            for block in section.blocks:
                yield from _block(block, f"{level}#")


def _block(block: Block, level: str) -> Iterator[str]:
    match block:
        case Text(lines=lines, kind="title"):
            yield from (f"{level} {escape(' '.join(lines))}", "")
        case Text(lines=lines, kind="list"):
            yield from (f"- {escape(line)}" for line in lines)
            yield ""
        case Text(lines=lines, kind=kind):
            word = f"**{WORDS[kind]}** " if kind in WORDS else ""
            yield from (f"{word}{escape(line)}\n" for line in lines)
        case Chart(title=title, says=says, numbers=numbers):
            yield from (f"**{escape(title)}** {escape(says)}", "")
            yield from _table(numbers)
        case Picture(title=title):
            yield from (f"**{escape(title)}** (shown in report.html)", "")
        case Table():
            yield from (f"{escape(block.caption)}:", "")
            yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    yield "| " + " | ".join(map(escape, table.head)) + " |"
    yield "|" + "".join("---|" if place in table.words else "---:|" for place in range(len(table.head)))
    for row in table.rows:
        yield "| " + " | ".join(map(escape, row)) + " |"
    yield ""


def escape(words: str) -> str:
    """`words` as Markdown that shows just them, on one line."""
    return words.translate(SPECIAL)
