"""Frames of a segmentation as pictures: what is labelled, what was found, what is missed and what is false."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from edgeneuro.benchmarks.document import Pictured, PicturedFrame, Rank, Report, Row
from edgeneuro.benchmarks.report.blocks import Block, Panel, Picture, Section, Table, Text
from edgeneuro.benchmarks.report.missing import why_missing
from edgeneuro.benchmarks.report.words import UNKNOWN, listed, sentence, short

Pictures = Mapping[tuple[str, Rank], tuple[bytes, bytes]]
"""Name of a row, rank of the frame -> PNG files: the frame, and the frame with what was labelled and found."""
KEY = (
    ("#e69f00", "orange: outline of what is labelled, filled where it was missed"),
    ("#56b4e9", "blue: outline of what was found, filled where it is false"),
)
NONE: Pictures = MappingProxyType({})
"""Of a page that is made from report.json."""
BOTH_COLOUR = "#cc79a7"
PROJECTED = "Largest value of all planes at every place, and outlines of what lies in any of them."
ELSEWHERE = (
    "The pictures are not in this page: it was made from report.json alone, which holds no pixels. They are in the report.html "
    "that the run itself wrote."
)


def pictures(report: Report, files: Pictures, prefix: str = "") -> Section:
    """Of every segmentation. files: of the frames that the report names."""
    blocks: list[Block] = []
    rows = {row.name: row for row in report.rows}
    for place, engine in enumerate(report.engines):
        if engine.task != "segmentation":
            continue
        blocks.append(Text(lines=(engine.name,), kind="title"))
        one = next((one for one in report.pictured if rows[one.row].engine == engine.name), None)
        if one is None:
            blocks.append(Text(lines=(why_missing(report, "pictures"),)))
        else:
            blocks += _pictured(one, rows[one.row], files, f"{prefix}picture-{place}")
    return Section(name=f"{prefix}pictures", title="Pictures", blocks=tuple(blocks))


def _pictured(one: Pictured, row: Row, files: Pictures, mark: str) -> Iterator[Block]:
    drawn = "all" if one.scored == one.judged else f"drawn by the run's seed from the {one.judged:,}"
    chosen = f"{one.scored} frames, {drawn} that rows are judged on"
    key = (*KEY, *_both(one.volumes, row))
    ranks = sentence(listed(frame.rank for frame in one.frames))
    masks = f"Masks of {short(row)}, of whole frames as the engine answers them."
    yield Text(lines=(f"{masks} {ranks} by Dice of {chosen}.",))
    yield Table(
        caption=f"Frames shown, with the masks of {short(row)}",
        head=("frame", "rank", "group", "Dice, %", "missed, % of what is labelled", "false, % of what was found"),
        rows=tuple(_line(frame) for frame in one.frames),
        words=(0, 1, 2),
    )
    for frame in one.frames:
        if (one.row, frame.rank) in files:
            yield _picture(frame, one.volumes, key, files[one.row, frame.rank], f"{mark}-{frame.rank}")
    if any((one.row, frame.rank) not in files for frame in one.frames):
        yield Text(lines=(ELSEWHERE,), kind="warning")


def _line(frame: PicturedFrame) -> tuple[str, ...]:
    shares = (frame.dice, frame.missed, frame.false)
    return (
        _name(frame), frame.rank, frame.group, *(UNKNOWN if share is None else f"{100 * share:.1f}" for share in shares)
    )  # fmt: skip


def _name(frame: PicturedFrame) -> str:
    return f"{frame.source}, frame {frame.index}" if frame.index else frame.source


def _both(volumes: bool, row: Row) -> Iterator[tuple[str, str]]:
    """What is missed and false at once, where that can be."""
    reasons = ["missed and false behind one another"] if volumes else []
    if row.accuracy is not None and len(row.accuracy.classes) > 2:
        reasons.append("found as another class")
    if reasons:
        yield BOTH_COLOUR, f"purple: {', or '.join(reasons)}"


def _picture(
    frame: PicturedFrame, volume: bool, key: tuple[tuple[str, str], ...], files: tuple[bytes, bytes], mark: str
) -> Picture:
    name, (_, rank, group, dice, missed, false) = _name(frame), _line(frame)
    what = f"largest values along depth of {name}" if volume else name
    return Picture(
        name=mark,
        title=f"{sentence(rank)}: {name}, Dice {dice} %",
        says=f"First as it is, then with what is labelled and what was found.{f' {PROJECTED}' if volume else ''}",
        panels=(
            Panel(alt=f"{sentence(what)}, group {group}, as it is.", png=files[0]),
            Panel(
                alt=(
                    f"{sentence(what)} with the outlines of what is labelled and what was found: Dice {dice} %, {missed} % of what is labelled "
                    f"missed, {false} % of what was found false."
                ),
                png=files[1],
            ),
        ),
        key=key,
    )
