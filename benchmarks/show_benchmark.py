"""A benchmark as tables for people in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from edgeneuro.benchmarks.document import OURS, Comparison, EngineRecord, Latency, Report, Row
from edgeneuro.benchmarks.dual import DUAL_INPUT, DUAL_MODEL
from edgeneuro.benchmarks.report.words import percent, points

MOST_LAYERS = 5
"""Slowest layers named for the chosen row; the report has them all."""


def show_benchmark(done: Report, console: Console) -> None:
    """Each engine's cost and rows, then the machine and whether it was quiet enough to tell."""
    for engine in done.engines:
        _show_engine(engine, done, console)
    for line in _conditions(done):
        console.print(line)
    for what, reason in done.not_measured.items():
        console.print(f"not measured: {what}: {reason}")


def _show_engine(engine: EngineRecord, done: Report, console: Console) -> None:
    compute = engine.compute
    console.print(
        f"{engine.name} ({engine.model}): input {engine.input}, {compute.params:,} parameters, "
        f"{compute.macs:,} MACs a frame, {engine.bytes:,} bytes"
    )
    if engine.dual_share is not None and engine.model != DUAL_MODEL:
        for line in _share(engine, done):
            console.print(line)
    rows = [row for row in done.rows if row.engine == engine.name]
    console.print(_times(rows, done))
    if any(row.accuracy is not None for row in rows):
        console.print(_accuracy(rows))
    chosen = next(row for row in rows if row.chosen)
    console.print(f"backend=auto: {_short(chosen)}" + (f"; {engine.auto}" if engine.auto else ""))
    for line in (*_layers(chosen), *_scenarios(rows), *_long(rows)):
        console.print(line)
    for flag in engine.flags:
        console.print(f"flag {flag}")
    for note in engine.notes:
        console.print(f"note: {note}")


def _times(rows: list[Row], done: Report) -> Table:
    """Inference of every row, fastest first; ratios to the FP32 graph on ONNX Runtime with their intervals."""
    table = Table(
        "inference, ms a frame", "p50", "p90", "p99", "whole frame", "/ fp32 [95 %]", "verdict", "floor x", "MiB"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for row in sorted(rows, key=lambda row: row.steps["inference"].at(50).ms):
        found = _to_float(row, rows, done)
        table.add_row(
            f"{_short(row)}{' *' if row.chosen else ''}",
            *(_ms(row.steps["inference"], percentile) for percentile in (50, 90, 99)),
            _ms(row.steps["total"], 50) if "total" in row.steps else "-",
            "-" if found is None else f"{found.ratio.p50:.2f} [{found.ratio.low:.2f}, {found.ratio.high:.2f}]",
            "-" if found is None else found.verdict,
            "-" if row.roofline is None else f"{row.roofline.distance:.2f}",
            "-" if row.memory is None else f"{row.memory.peak_bytes / 2**20:.0f}",
        )
    return table


def _accuracy(rows: list[Row]) -> Table:
    judged = [(row, row.accuracy) for row in rows if row.accuracy is not None]
    first = judged[0][1]
    where = f"{first.data}, {first.frames} {first.unit}s of {first.groups} groups"
    leaky = " (leaky protocol)" if first.protocol == "leaky" else ""
    table = Table(f"{where}{leaky}", f"{first.metric}, %", "drop, points", "agreement, %", "output error")
    for column in table.columns[1:]:
        column.justify = "right"
    for row, found in judged:
        table.add_row(
            _short(row),
            "-" if found.value is None else percent(found.value),
            "-" if found.drop_points is None else points(found.drop_points),
            "-" if found.agreement is None else percent(found.agreement),
            "-" if found.output_error is None else f"{found.output_error:.4f}",
        )
    return table


def _to_float(row: Row, rows: list[Row], done: Report) -> Comparison | None:
    reference = rows[0].name
    return next((one for one in done.comparisons if (one.row, one.reference) == (row.name, reference)), None)


def _short(row: Row) -> str:
    """ "int8 openvino", or the rival's name."""
    return f"{row.precision} {row.backend}" if row.tool == OURS else f"{row.tool} ({row.precision}, {row.backend})"


def _ms(latency: Latency, percentile: float) -> str:
    return f"{latency.at(percentile).ms:.3f}"


def _layers(row: Row) -> Iterator[str]:
    slowest = sorted(row.layers, key=lambda layer: -layer.ms)[:MOST_LAYERS]
    if slowest:
        named = (f"{layer.operator} {layer.name} {layer.precision} {layer.ms:.3f} ms" for layer in slowest)
        yield f"slowest layers of {_short(row)}: {', '.join(named)}"


def _scenarios(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        for found in row.scenarios:
            tail = "" if found.latency is None else f", p99 of a query {found.latency.at(99).ms:.2f} ms"
            short = "" if found.conforms else f" ({found.missing})"
            yield f"{found.scenario}, {_short(row)}: {found.throughput:.1f} frames/s{tail}{short}"


def _long(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        if row.energy is not None:
            yield f"energy, {_short(row)}: {row.energy.joules:.4g} J a frame by {row.energy.source}"
        if row.soak is not None:
            yield f"soak, {_short(row)}: {row.soak.seconds:.0f} s, {row.soak.reason}"


def _share(engine: EngineRecord, done: Report) -> Iterator[str]:
    assert engine.dual_share is not None
    yield (
        f"{engine.compute.macs / 1e6:,.2f} M MACs are {100 * engine.dual_share:.4f} % of the dual-branch network's "
        f"{done.dual_macs / 1e6:,.1f} M ({done.dual_source}); Tan et al. 2024 claim {100 * done.claimed_share:g} %"
    )
    dual_size = next((_size(other.input) for other in done.engines if other.model == DUAL_MODEL), DUAL_INPUT)
    if _size(engine.input) != dual_size:
        yield f"note: not like for like, the dual-branch network's count is for {dual_size} px"


def _size(shape: str) -> str:
    """ "224 x 224" of "1 x 224 x 224"."""
    return shape.partition(" x ")[2]


def _conditions(done: Report) -> Iterator[str]:
    here, conditions = done.machine, done.conditions
    threads = "as many threads as cores" if conditions.threads is None else f"{conditions.threads} thread(s)"
    yield (
        f"{done.device}: {here['processor']} ({here['architecture']}), {here['cores']} cores, {threads}, "
        f"{here['system']}, Python {here['python']}, onnxruntime {here['libraries']['onnxruntime']}, {done.date}"
    )
    rounds = ", ".join(f"{count} after {done.protocol.warm_up[name]}" for name, count in done.protocol.rounds.items())
    yield f"{rounds} rounds of warm-up, all rows in each round; {done.protocol.frames}"
    if done.quiet.same is not None:
        same = done.quiet.same
        yield f"one row against itself: {same.p50:.3f} [{same.low:.3f}, {same.high:.3f}]; 1 is a quiet machine"
    for reason in done.quiet.reasons:
        yield f"no verdict: {reason}"
