"""Float against INT8: metric, drop, agreement, error of the outputs, confusion matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgeneuro.benchmarks.document import OURS, AccuracyRecord, EngineRecord, Report, Row
from edgeneuro.benchmarks.report.blocks import Block, Chart, Section, Table, Text
from edgeneuro.benchmarks.report.missing import why_missing
from edgeneuro.benchmarks.report.style import layout, shortened, text
from edgeneuro.benchmarks.report.words import UNKNOWN, listed, metric_title, number, percent, points, sentence, short

ROUNDING = 1e-4
"""Output error below which two libraries compute the same in float."""
TILES = (
    "Scores are of tiles: each is cut from its frame without overlap and judged by itself, as float and INT8 are compared. Frames put "
    "together from overlapping tiles, as the engine answers them, score otherwise: edgeneuro evaluate gives that score."
)
"""Of networks that cover frames with tiles."""
CELL = 46
"""Height of a row of a confusion matrix, px."""
SCALE = [[0.0, "#F2F7FB"], [0.5, "#6BAED6"], [1.0, "#08306B"]]
"""White to dark blue: order by lightness, which needs no sense of colour."""


def accuracy(report: Report, prefix: str = "") -> Section:
    """A table for every engine, then its matrices side by side."""
    blocks: list[Block] = []
    for place, engine in enumerate(report.engines):
        rows = [row for row in report.rows if row.engine == engine.name and row.accuracy is not None]
        if rows:
            blocks += _engine(engine, rows, f"{prefix}confusion-{place}")
    if not blocks:
        blocks = [Text(lines=(why_missing(report, "accuracy"),))]
    return Section(name=f"{prefix}accuracy", title="Float against INT8", blocks=tuple(blocks))


def _engine(engine: EngineRecord, rows: Sequence[Row], mark: str) -> Iterator[Block]:
    records = [row.accuracy for row in rows if row.accuracy is not None]
    first = records[0]
    leaky = " The leaky protocol: frames of one patient on both sides, for comparison with published numbers only."
    yield Text(lines=(engine.name,), kind="title")
    yield Text(
        lines=(
            (
                f"{sentence(metric_title(first.metric))} on {first.frames:,} {first.unit}s of {first.groups:,} groups of {first.data}, "
                f"unseen in training, validation and calibration.{leaky if first.protocol == 'leaky' else ''}"
            ),
            *([TILES] if first.unit == "tile" else []),
            (
                f"Drop: float minus the row, paired {first.unit} by {first.unit}, with the interval of the accuracy gate. Agreement: answered as the "
                "float row answers. Output error: root mean square difference from float over the outputs' standard deviation."
            ),
        )
    )
    yield Table(
        caption=f"{engine.name}: {metric_title(first.metric)}, 95 % intervals over groups",
        head=("row", "metric, %", "drop, points", "agreement, %", "output error", "INT8 convolutions"),
        rows=tuple(_line(row, row.accuracy) for row in rows if row.accuracy is not None),
    )
    for number_, (names, record) in enumerate(_matrices(rows)):
        yield _chart(engine, names, record, f"{mark}-{number_}")


def _line(row: Row, record: AccuracyRecord) -> tuple[str, ...]:
    converted = UNKNOWN if row.int8_convolutions is None else f"{row.int8_convolutions} of {row.convolutions}"
    return (
        short(row) + (" (chosen)" if row.chosen else ""),
        percent(record.value),
        points(record.drop_points),
        percent(record.agreement),
        _error(record.output_error),
        converted,
    )


def _error(value: float | None) -> str:
    """What is rounding alone has no digits worth reading."""
    return f"below {ROUNDING:g}" if value is not None and 0 < value < ROUNDING else number(value)


def _matrices(rows: Sequence[Row]) -> list[tuple[list[str], AccuracyRecord]]:
    """Names of this project's rows that have the same matrix, and that; float first, as rows are ordered."""
    found: dict[tuple[tuple[int, ...], ...], tuple[list[str], AccuracyRecord]] = {}
    for row in rows:
        if row.tool == OURS and row.accuracy is not None and row.accuracy.confusion:
            found.setdefault(row.accuracy.confusion, ([], row.accuracy))[0].append(short(row))
    return list(found.values())


def _chart(engine: EngineRecord, names: Sequence[str], record: AccuracyRecord, mark: str) -> Chart:
    classes = record.classes
    recall = [line[i] / sum(line) if sum(line) else None for i, line in enumerate(record.confusion)]
    found = ", ".join(
        f"{name} {UNKNOWN if share is None else f'{100 * share:.0f} %'}"
        for name, share in zip(classes, recall, strict=True)
    )
    same = f" The same to the frame: {listed(names[1:])}." if len(names) > 1 else ""
    return Chart(
        name=mark,
        title=f"{engine.name}: confusion matrix of {names[0]}",
        says=f"Frames by true class (down) and predicted class (across). Found of each class: {found}.{same}",
        figure=confusion_figure(classes, record.confusion),
        numbers=Table(
            caption=f"Frames, {engine.name}: {names[0]}",
            head=("true \\ predicted", *classes, "found, %"),
            rows=tuple(
                (name, *(f"{count:,}" for count in line), UNKNOWN if share is None else f"{100 * share:.1f}")
                for name, line, share in zip(classes, record.confusion, recall, strict=True)
            ),
        ),
    )


def confusion_figure(classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> dict[str, Any]:
    """confusion: (true, predicted) counts, drawn as shares of the true class."""
    shares = [[count / sum(line) if sum(line) else 0.0 for count in line] for line in confusion]
    names = [text(shortened(name, 18)) for name in classes]
    places = list(range(len(names)))
    notes = [
        {
            "x": across, "y": down, "text": f"{confusion[down][across]:,}", "showarrow": False,
            "font": {"size": 14, "color": "#ffffff" if shares[down][across] > 0.55 else "#111111"},
        }
        for down in places for across in places
    ]  # fmt: skip
    ticks = {"tickvals": places, "ticktext": names, "showgrid": False, "zeroline": False, "automargin": True}
    return {
        "data": [
            {
                "type": "heatmap", "z": shares, "zmin": 0, "zmax": 1, "colorscale": SCALE, "xgap": 2, "ygap": 2,
                "hovertemplate": "%{z:.0%} of the true class<extra></extra>", "x": places, "y": places,
                "colorbar": {"tickformat": ".0%", "title": {"text": "of the true class", "side": "right"}, "thickness": 12},
            }
        ],
        "layout": layout(
            CELL * len(names) + 120,
            annotations=notes,
            xaxis={**ticks, "title": {"text": "predicted"}, "side": "bottom"},
            yaxis={**ticks, "title": {"text": "true"}, "autorange": "reversed"},
            margin={"l": 20, "r": 8, "t": 8, "b": 40},
        ),
    }  # fmt: skip
