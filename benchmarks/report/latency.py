"""Time a frame: quantiles with intervals, what MLPerf's rule lets one claim, steps, scenarios, the start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeneuro.benchmarks.document import STEPS, Report, Row
from edgeneuro.benchmarks.report.blocks import Block, Section, Table, Text
from edgeneuro.benchmarks.report.spread import spread
from edgeneuro.benchmarks.report.words import UNKNOWN, at, number, quantile, short, yes_no


def latency(report: Report, prefix: str = "") -> Section:
    """Every engine apart: rows of different engines did not run in the same rounds."""
    blocks: list[Block] = [
        Text(
            lines=(
                (
                    "Wall time in ms, batch 1. In brackets: 95 % intervals from order statistics; “?” where there were too few "
                    "queries to bound that side. Independent: how many independent queries they are worth, since neighbours in "
                    "time resemble each other."
                ),
                "Rows of one engine ran in the same rounds and can be compared with each other, best by their ratios above.",
            )
        )
    ]
    for place, engine in enumerate(report.engines):
        rows = [row for row in report.rows if row.engine == engine.name]
        blocks += _engine(engine.name, rows, f"{prefix}{place}")
    return Section(name=f"{prefix}latency", title="Latency", blocks=tuple(blocks))


def _engine(name: str, rows: Sequence[Row], mark: str) -> Iterator[Block]:
    timed = [row for row in rows if "inference" in row.steps]
    if not timed:
        return
    yield Text(lines=(name,), kind="title")
    yield _quantiles(name, timed)
    claims = _claims(name, timed)
    if claims is not None:
        yield claims
    yield from spread(name, timed, mark)
    steps = _steps(name, timed)
    if steps is not None:
        yield steps
    scenarios = _scenarios(name, rows)
    if scenarios is not None:
        yield scenarios
    start = _start(name, rows)
    if start is not None:
        yield start


def percentiles(rows: Sequence[Row]) -> list[float]:
    """That any of the rows has, in order."""
    return sorted({one.percentile for row in rows for found in row.steps.values() for one in found.quantiles})


def _quantiles(name: str, rows: Sequence[Row]) -> Table:
    levels = percentiles(rows)
    return Table(
        caption=f"{name}: inference, ms",
        head=("row", *(f"p{level:g}" for level in levels), "mean", "queries", "independent"),
        rows=tuple(
            (
                _marked(row),
                *(quantile(at(row.steps["inference"], level)) for level in levels),
                number(row.steps["inference"].mean_ms),
                f"{row.steps['inference'].queries:,}",
                f"{row.steps['inference'].independent_queries:,.0f}",
            )
            for row in rows
        ),
    )


def _claims(name: str, rows: Sequence[Row]) -> Table | None:
    levels = percentiles(rows)
    cells = [[at(row.steps["inference"], level) for level in levels] for row in rows]
    if not any(one is not None and one.claim_ms is not None for line in cells for one in line):
        return None
    return Table(
        caption=f"{name}: what may be claimed for inference with 99 % confidence by MLPerf's early-stopping rule, ms; "
        f"{UNKNOWN} where it asks for more queries",
        head=("row", *(f"p{level:g} at most" for level in levels)),
        rows=tuple(
            (_marked(row), *(UNKNOWN if one is None else number(one.claim_ms) for one in line))
            for row, line in zip(rows, cells, strict=True)
        ),
    )


def _steps(name: str, rows: Sequence[Row]) -> Table | None:
    """None where only inference was timed."""
    found = [step for step in STEPS if any(step in row.steps for row in rows)]
    if found == ["inference"]:
        return None
    return Table(
        caption=f"{name}: steps of a frame, ms, median and p99; inference on ready tensors, total with the inference within",
        head=("row", *found),
        rows=tuple(
            (_marked(row), *(_step(row, step) for step in found)) for row in rows if set(row.steps) > {"inference"}
        ),
    )


def _step(row: Row, step: str) -> str:
    half, tail = at(row.steps.get(step), 50.0), at(row.steps.get(step), 99.0)
    if half is None:
        return UNKNOWN
    return f"{number(half.ms)}, {UNKNOWN if tail is None else number(tail.ms)}"


def _scenarios(name: str, rows: Sequence[Row]) -> Table | None:
    lines = tuple(
        (
            f"{_marked(row)}, {one.scenario}",
            number(one.throughput),
            *(UNKNOWN if found is None else number(found.ms) for found in (at(one.latency, 50), at(one.latency, 99))),
            f"{one.queries:,} x {one.samples:,}",
            f"{one.streams}",
            yes_no(one.conforms) + (f": {one.missing}" if one.missing else ""),
        )
        for row in rows
        for one in row.scenarios
    )
    if not lines:
        return None
    return Table(
        caption=f"{name}: scenarios after MLPerf Inference",
        head=(
            "row, scenario",
            "frames a second",
            "p50, ms a query",
            "p99",
            "queries x frames",
            "in flight",
            "MLPerf's count",
        ),
        rows=lines,
        words=(0, 6),
    )


def _start(name: str, rows: Sequence[Row]) -> Table | None:
    steps = list(dict.fromkeys(step for row in rows for step in row.start_ms))
    if not steps:
        return None
    return Table(
        caption=f"{name}: start, ms, once",
        head=("row", *steps),
        rows=tuple((_marked(row), *(number(row.start_ms.get(step)) for step in steps)) for row in rows if row.start_ms),
    )


def _marked(row: Row) -> str:
    return short(row) + (" (chosen)" if row.chosen else "")
