"""Memory, energy and heat; what this machine cannot tell is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeneuro.benchmarks.document import Report, Row, Soak
from edgeneuro.benchmarks.report.blocks import Block, Chart, Section, Table, Text
from edgeneuro.benchmarks.report.missing import why_missing
from edgeneuro.benchmarks.report.style import axis, colour, layout
from edgeneuro.benchmarks.report.words import UNKNOWN, duration, known, number, sentence, size

FIFTHS = 5


def resources(report: Report, prefix: str = "") -> Section:
    """A table or a reason for each, and a chart of every soak."""
    soaks = [(row, row.soak) for row in report.rows if row.soak is not None]
    blocks: list[Block] = [_memory(report) or Text(lines=(f"Memory. {why_missing(report, 'memory')}",))]
    blocks.append(_energy(report) or Text(lines=(f"Energy. {why_missing(report, 'energy')}",)))
    if soaks:
        blocks.append(_soaks(soaks))
        blocks += [_chart(row, soak, f"{prefix}soak-{i}") for i, (row, soak) in enumerate(soaks) if soak.points]
    else:
        blocks.append(Text(lines=(f"Heat over a long run. {why_missing(report, 'soak')}",)))
    return Section(name=f"{prefix}resources", title="Memory, energy, heat", blocks=tuple(blocks))


def _memory(report: Report) -> Table | None:
    rows = [(row, row.memory) for row in report.rows if row.memory is not None]
    if not rows:
        return None
    return Table(
        caption="Memory of a process that runs only this row",
        head=("row", "highest resident", "before the engine", "of the engine", "on the device"),
        rows=tuple(
            (
                row.name,
                size(memory.peak_bytes),
                size(memory.base_bytes),
                size(memory.peak_bytes - memory.base_bytes),
                size(memory.device_bytes),
            )
            for row, memory in rows
        ),
    )


def _energy(report: Report) -> Table | None:
    rows = [(row, row.energy) for row in report.rows if row.energy is not None]
    if not rows:
        return None
    return Table(
        caption="Energy, all that the sensor sees, the machine at rest included",
        head=("row", "J a frame", "W", "W at rest", "sensor"),
        rows=tuple(
            (row.name, number(energy.joules), number(energy.watts), number(energy.idle_watts), energy.source)
            for row, energy in rows
        ),
        words=(0, 4),
    )


def _soaks(soaks: Sequence[tuple[Row, Soak]]) -> Table:
    verdict = {True: "throttled", False: "did not throttle", None: "not known"}
    return Table(
        caption="Long run: last fifth over first fifth",
        head=("row", "for", "frames", "slowdown", "throttled", "why"),
        rows=tuple(
            (
                row.name,
                duration(soak.seconds),
                f"{soak.frames:,}",
                number(soak.slowdown, 4),
                verdict[soak.throttled],
                soak.reason,
            )
            for row, soak in soaks
        ),
        words=(0, 4, 5),
    )


def _chart(row: Row, soak: Soak, name: str) -> Chart:
    sensed = [("temperature_c", "°C"), ("frequency_mhz", "MHz")]
    found = [(field, unit) for field, unit in sensed if known(getattr(point, field) for point in soak.points)]
    last = soak.points[-1]
    return Chart(
        name=name,
        title=f"{row.name}: a long run",
        says=f"Median inference over {duration(soak.seconds)}; the last point is {number(last.p50_ms)} ms. {sentence(soak.reason)}.",
        figure=_figure(row, soak, found),
        numbers=Table(
            caption="Means of each fifth of the run",
            head=("until, s", "ms, median", "°C", "MHz"),
            rows=tuple(_fifths(soak)),
        ),
    )


def _fifths(soak: Soak) -> list[tuple[str, ...]]:
    step = max(1, -(-len(soak.points) // FIFTHS))
    parts = [soak.points[i : i + step] for i in range(0, len(soak.points), step)]
    return [
        (
            number(part[-1].seconds),
            number(_mean([point.p50_ms for point in part])),
            number(_mean(known(point.temperature_c for point in part))),
            number(_mean(known(point.frequency_mhz for point in part))),
        )
        for part in parts
    ]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _figure(row: Row, soak: Soak, sensed: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Time above, and below it what sensors say, on one axis of seconds."""
    count = 1 + len(sensed)
    seconds = [point.seconds for point in soak.points]
    curves: list[tuple[list[float | None], str, str, bool]] = [
        ([point.p50_ms for point in soak.points], "ms, median", colour(row.precision), True)
    ]
    curves += [([getattr(point, field) for point in soak.points], unit, "#8A8A8A", False) for field, unit in sensed]
    data, axes = [], {}
    for place, (values, title, ink, from_zero) in enumerate(curves):
        key = "" if place == 0 else str(place + 1)
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "x": seconds, "y": values, "yaxis": f"y{key}", "showlegend": False,
                "line": {"color": ink, "width": 1.5}, "marker": {"size": 4}, "hovertemplate": "%{x:.0f} s: %{y}<extra></extra>",
            }
        )  # fmt: skip
        top = 1 - place / count
        axes[f"yaxis{key}"] = axis(
            title, domain=[top - 0.86 / count, top], nticks=5, anchor="x", rangemode="tozero" if from_zero else "normal"
        )
    shared = axis("seconds since the start", rangemode="tozero", anchor=f"y{count}" if count > 1 else "y")
    return {
        "data": data,
        "layout": layout(130 * count + 100, xaxis=shared, margin={"l": 52, "r": 14, "t": 8, "b": 44}, **axes),
    }


def heat_words(report: Report) -> str:
    """One cell for tables of devices."""
    found = [row.soak for row in report.rows if row.soak is not None]
    if not found:
        return UNKNOWN
    return (
        "throttled"
        if any(soak.throttled for soak in found)
        else f"slowdown {number(max(soak.slowdown for soak in found), 4)}"
    )
