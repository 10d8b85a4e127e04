"""How far rows and layers are from what the machine could do: attained speed against operations a byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeneuro.benchmarks.document import Report, Row
from edgeneuro.benchmarks.report.blocks import Block, Chart, Section, Table, Text
from edgeneuro.benchmarks.report.missing import why_missing
from edgeneuro.benchmarks.report.style import DASHES, SYMBOLS, colour, layout, log_axis, shortened, text
from edgeneuro.benchmarks.report.words import amount, inference, number, size

LAYER_SIZE = 6
"""Of a layer's point, px; rows are twice as large."""


def roofline(report: Report, prefix: str = "") -> Section:
    """One chart with all rows, and the layers of the chosen ones; then the numbers, and the peaks they stand on."""
    rows = [row for row in report.rows if row.roofline is not None and inference(row) is not None]
    blocks: list[Block] = []
    if rows:
        about = (
            "Across: multiply-accumulates (MACs) a byte of weights and activations. Up: billions of them a second. Sloped: what "
            "the measured memory bandwidth allows; flat: the fastest dense kernel of a precision in this run. A point far below "
            "both lines leaves speed on the table; one above is served by the caches."
        )
        blocks = [Text(lines=(about,)), _chart(report, rows, f"{prefix}roofline-all"), _distances(rows)]
    else:
        blocks = [Text(lines=(why_missing(report, "roofline"),))]
    if report.peaks:
        blocks.append(_peaks(report))
    return Section(name=f"{prefix}roofline", title="Distance from the machine's limits", blocks=tuple(blocks))


def peak_of(report: Report) -> Mapping[str, float]:
    """precision -> the fastest kernel on any backend, GMAC/s."""
    best: dict[str, float] = {}
    for peak in report.peaks:
        best[peak.precision] = max(best.get(peak.precision, 0.0), peak.gmac_s)
    return best


def _speed(report: Report, row: Row) -> float:
    """GMAC/s of the row's median."""
    macs = next(engine.compute.macs for engine in report.engines if engine.name == row.engine)
    half = inference(row)
    assert half is not None  # rows are picked by it
    return macs / half.ms / 1e6


def _chart(report: Report, rows: Sequence[Row], name: str) -> Chart:
    assert rows[0].roofline is not None
    nearest = min(rows, key=lambda row: row.roofline.distance if row.roofline else float("inf"))
    return Chart(
        name=name,
        title="Roofline",
        says=f"{len(rows)} rows; nearest to its floor is {nearest.name} with "
        f"{number(nearest.roofline.distance if nearest.roofline else None)} times the time of the floor.",
        figure=_figure(report, rows),
        numbers=Table(
            caption="Points of the roofline",
            head=("row", "MACs a byte", "GMAC/s"),
            rows=tuple(
                (row.name, number(row.roofline.intensity if row.roofline else None), number(_speed(report, row)))
                for row in rows
            ),
        ),
    )


def _distances(rows: Sequence[Row]) -> Table:
    lines = []
    for row in rows:
        found, half = row.roofline, inference(row)
        if found is not None and half is not None:
            lines.append(
                (
                    row.name,
                    number(half.ms),
                    number(found.floor_ms),
                    number(found.distance),
                    number(found.compute_ms),
                    number(found.memory_ms),
                    amount(found.bops),
                    size(found.weight_bytes),
                    size(found.activation_bytes),
                )
            )
    return Table(
        caption="Inference beside its floor: each layer at the larger of its compute and its memory time",
        head=("row", "ms", "floor, ms", "times the floor", "compute, ms", "memory, ms", "bit operations", "weights", "activations"),
        rows=tuple(lines),
    )  # fmt: skip


def _peaks(report: Report) -> Table:
    rows = [(f"{peak.backend} {peak.precision}", peak.kernel, f"{number(peak.gmac_s)} GMAC/s") for peak in report.peaks]
    if report.bandwidth_gb_s is not None:
        rows.append(("memory", "read and write", f"{number(report.bandwidth_gb_s)} GB/s"))
    return Table(caption="Peaks measured in this run", head=("of", "kernel", "peak"), rows=tuple(rows), words=(0, 1))


def _layer_points(row: Row) -> list[tuple[str, str, float, float]]:
    """Name, precision, MACs a byte and GMAC/s of the layers for which all are known."""
    return [
        (layer.name, layer.precision, layer.macs / layer.bytes, layer.macs / layer.ms / 1e6)
        for layer in row.layers
        if layer.macs and layer.bytes and layer.ms > 0
    ]


def _figure(report: Report, rows: Sequence[Row]) -> dict[str, Any]:
    chosen = [row for row in rows if row.chosen]
    engines = list(dict.fromkeys(row.engine for row in rows))
    points = [point for row in chosen for point in _layer_points(row)]
    across = [row.roofline.intensity for row in rows if row.roofline] + [point[2] for point in points]
    up = [_speed(report, row) for row in rows] + [point[3] for point in points]
    peaks = peak_of(report)
    if report.bandwidth_gb_s and peaks:
        across.append(1.5 * max(peaks.values()) / report.bandwidth_gb_s)  # the corner is part of the picture
    roofs = _roofs(peaks, report.bandwidth_gb_s, min(across) / 1.3, max(across) * 1.3)
    marks = [_layers(row, SYMBOLS[engines.index(row.engine) % len(SYMBOLS)]) for row in chosen if _layer_points(row)]
    marks += [_rows(report, rows, engine, precision, SYMBOLS[place % len(SYMBOLS)])
              for place, engine in enumerate(engines)
              for precision in dict.fromkeys(row.precision for row in rows if row.engine == engine)]  # fmt: skip
    return {
        "data": [*roofs, *marks],
        "layout": layout(
            440 + 18 * len(marks),
            xaxis=log_axis("MACs a byte", [min(across) / 1.3, max(across) * 1.3]),
            yaxis=log_axis("GMAC/s", [*up, *peaks.values()]),
        ),
    }


def _roofs(peaks: Mapping[str, float], bandwidth: float | None, low: float, high: float) -> list[dict[str, Any]]:
    """Each peak from where the bandwidth reaches it, and the slope below the highest; GB/s times MACs a byte are GMAC/s."""
    roofs = []
    for place, (precision, peak) in enumerate(sorted(peaks.items(), key=lambda item: item[1])):
        start = low if not bandwidth else max(peak / bandwidth, low)
        roofs.append(
            {
                "type": "scatter", "mode": "lines", "name": text(f"peak {precision}: {number(peak)} GMAC/s"),
                "x": [start, high], "y": [peak, peak], "hoverinfo": "name",
                "line": {"color": colour(precision), "width": 2, "dash": DASHES[place % len(DASHES)]},
            }
        )  # fmt: skip
    if bandwidth:
        end = min(max(peaks.values(), default=bandwidth * high) / bandwidth, high)
        roofs.append(
            {
                "type": "scatter", "mode": "lines", "name": f"memory: {number(bandwidth)} GB/s", "hoverinfo": "name",
                "x": [low, end], "y": [bandwidth * low, bandwidth * end], "line": {"color": "#8A8A8A", "width": 2},
            }
        )  # fmt: skip
    return roofs


def _layers(row: Row, symbol: str) -> dict[str, Any]:
    points = _layer_points(row)
    return {
        "type": "scatter", "mode": "markers", "name": text(shortened(f"layers of {row.name}", 38)),
        "x": [point[2] for point in points], "y": [point[3] for point in points],
        "marker": {"symbol": f"{symbol}-open", "size": LAYER_SIZE, "color": [colour(point[1]) for point in points]},
        "hovertext": [text(f"{name} ({precision}): {number(speed)} GMAC/s") for name, precision, _, speed in points],
        "hoverinfo": "text",
    }  # fmt: skip


def _rows(report: Report, rows: Sequence[Row], engine: str, precision: str, symbol: str) -> dict[str, Any]:
    own = [row for row in rows if row.engine == engine and row.precision == precision]
    return {
        "type": "scatter", "mode": "markers", "name": text(f"{shortened(engine)}: {precision}"),
        "x": [row.roofline.intensity for row in own if row.roofline], "y": [_speed(report, row) for row in own],
        "marker": {"symbol": symbol, "size": 2 * LAYER_SIZE, "color": colour(precision), "line": {"width": 0}},
        "hovertext": [
            text(f"{row.name}: {number(_speed(report, row))} GMAC/s, {number(row.roofline.distance)} times its floor")
            for row in own if row.roofline
        ],
        "hoverinfo": "text",
    }  # fmt: skip
