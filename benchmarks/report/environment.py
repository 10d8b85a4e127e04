"""Where and how: machine, conditions, protocol, and what the engines were made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgeneuro.benchmarks.document import EngineRecord, Report, Snapshot
from edgeneuro.benchmarks.report.blocks import Block, Section, Table, Text
from edgeneuro.benchmarks.report.words import UNKNOWN, listed, number, size, yes_no

FACT = ("what", "value")


def environment(report: Report, prefix: str = "") -> Section:
    """The machine and what it was doing."""
    blocks: tuple[Block, ...] = (
        Table(caption="Machine", head=FACT, rows=tuple(_flat(report.machine)), words=(0, 1)),
        Table(caption="Conditions", head=FACT, rows=tuple(_conditions(report)), words=(0, 1)),
        Table(caption="Protocol", head=FACT, rows=tuple(_protocol(report)), words=(0, 1)),
    )
    return Section(name=f"{prefix}environment", title="Environment and conditions", blocks=blocks)


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name} ")
        else:
            words = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            yield f"{before}{name}".replace("_gib", ", GiB").replace("_", " "), UNKNOWN if value is None else words


def _conditions(report: Report) -> Iterator[tuple[str, str]]:
    here, gone = report.conditions, report.not_measured
    yield "threads", "left to each backend" if here.threads is None else str(here.threads)
    yield "processors this process may use", ", ".join(map(str, here.affinity)) or UNKNOWN
    yield "governor", here.governor or gone.get("governor", "not shown by this machine")
    yield "power mode", here.power_mode or gone.get("power mode", "not shown by this machine")
    yield "virtual machine", yes_no(here.virtual)
    yield "used by other processes", _share(here.background_share)
    yield "taken by the host", _share(here.steal_share)
    yield "before", _snapshot(here.before)
    yield "after", _snapshot(here.after)


def _share(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:.1f} % of the processors' time"


def _snapshot(found: Snapshot) -> str:
    parts = [
        f"load average {number(found.load_average)}" if found.load_average is not None else "",
        f"{number(found.temperature_c)} °C" if found.temperature_c is not None else "",
        f"{found.frequency_mhz:,.0f} MHz" if found.frequency_mhz is not None else "",
    ]
    return ", ".join(part for part in parts if part) or "no sensor is readable"


def _protocol(report: Report) -> Iterator[tuple[str, str]]:
    how = report.protocol
    yield "scenarios", listed(how.scenarios) or "none asked for"
    yield "queries asked of every row", f"{how.queries:,}, or {number(how.budget_s)} s an engine"
    for name, rounds in how.rounds.items():
        yield f"rounds of {name}", f"{rounds:,} after {how.warm_up.get(name, 0):,} of warm-up"
    yield "order in a round", f"drawn anew, seed {how.seed}"
    yield "frames", how.frames


def provenance(report: Report, prefix: str = "") -> Section:
    """Of every engine, and the command."""
    blocks: list[Block] = [_command(report)]
    blocks += [
        Table(caption=engine.name, head=FACT, rows=tuple(_engine(engine, report)), words=(0, 1))
        for engine in report.engines
    ]
    blocks += _remarks(report)
    return Section(name=f"{prefix}provenance", title="Provenance", blocks=tuple(blocks))


def _command(report: Report) -> Table:
    rows = (
        ("command", report.command or UNKNOWN),
        ("date", report.date),
        ("device", report.device),
        ("schema", str(report.schema)),
        ("dual-branch network", f"{report.dual_macs:,} MACs, {report.dual_source}"),
    )
    return Table(caption="This measurement", head=FACT, rows=rows, words=(0, 1))


def _engine(engine: EngineRecord, report: Report) -> Iterator[tuple[str, str]]:
    yield "sha256", engine.sha256
    yield "model", f"{engine.model}, {engine.task}, {engine.precision}, input {engine.input}"
    yield "parameters, MACs", f"{engine.compute.params:,}, {engine.compute.macs:,}"
    if engine.dual_share is not None:
        yield "of the dual-branch network's MACs", f"{100 * engine.dual_share:.4f} %"
    yield "bytes", f"{engine.bytes:,} ({size(engine.bytes)})"
    yield "trained on", engine.trained_on or "not stated"
    for name, value in engine.provenance.items():
        yield name, value
    for name, count in engine.members.items():
        yield f"member {name}", f"{count:,} bytes"


def _remarks(report: Report) -> Iterator[Block]:
    lines = [f"{engine.name}: flag {flag}" for engine in report.engines for flag in engine.flags]
    lines += [f"{engine.name}: {note}" for engine in report.engines for note in engine.notes]
    lines += [f"{row.name}: flag {flag}" for row in report.rows for flag in row.flags]
    lines += [f"{row.name}: {note}" for row in report.rows for note in row.notes]
    if lines:
        yield Text(lines=tuple(lines), kind="list")
