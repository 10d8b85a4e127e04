"""Several devices in one document: what may be compared across them, and what may not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from edgeneuro.benchmarks.document import Report
from edgeneuro.benchmarks.report.blocks import Block, Section, Table, Text
from edgeneuro.benchmarks.report.resources import heat_words
from edgeneuro.benchmarks.report.summary import chosen_row, compared, float_row
from edgeneuro.benchmarks.report.words import inference, number, percent, points, quantile, score, short, times, yes_no

APART = (
    "Every device was measured in a run of its own. Times stand beside each other to choose a device by; they are not ratios "
    "of one run, and no verdict is drawn from them. Ratios are within a device."
)


def conflicts(reports: Sequence[Report]) -> tuple[str, ...]:
    """One sentence for every engine whose bytes differ between reports under one name."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for report in reports:
        for engine in report.engines:
            found[engine.name][engine.sha256].append(report.device)
    return tuple(
        f"{name} is not the same file everywhere: "
        + "; ".join(f"{', '.join(devices)} has sha256 {sha256[:12]}…" for sha256, devices in files.items())
        for name, files in found.items()
        if len(files) > 1
    )


def devices(reports: Sequence[Report]) -> Section:
    """The devices, then every engine on each."""
    blocks: list[Block] = [Text(lines=(APART,))]
    different = conflicts(reports)
    if different:
        blocks.append(Text(lines=different, kind="warning"))
    noisy = [report.device for report in reports if not report.quiet.quiet]
    if noisy:
        lines = tuple(f"{name}: the machine was too noisy for a verdict on speed." for name in noisy)
        blocks.append(Text(lines=lines, kind="warning"))
    blocks.append(_table(reports))
    names = dict.fromkeys(engine.name for report in reports for engine in report.engines)
    blocks += [_engine(reports, name) for name in names]
    return Section(name="devices", title="Devices", blocks=tuple(blocks))


def _table(reports: Sequence[Report]) -> Table:
    return Table(
        caption="Devices",
        head=("device", "processor", "cores", "threads", "quiet", "long run", "date", "fed"),
        rows=tuple(
            (
                report.device,
                str(report.machine.get("processor", "-")),
                str(report.machine.get("cores", "-")),
                "auto" if report.conditions.threads is None else str(report.conditions.threads),
                yes_no(report.quiet.quiet),
                heat_words(report),
                report.date,
                report.protocol.frames,
            )
            for report in reports
        ),
        words=(0, 1, 4, 5, 6, 7),
    )


def _engine(reports: Sequence[Report], name: str) -> Table:
    lines = []
    for report in reports:
        for engine in report.engines:
            base = float_row(report, engine)
            row = chosen_row(report, engine) or base
            if engine.name != name or row is None:
                continue
            found = None if base is None else compared(report, row, base)
            lines.append(
                (
                    report.device,
                    short(row),
                    quantile(inference(row)),
                    quantile(inference(row, 99.0)),
                    times(None if found is None else found.ratio),
                    "-" if found is None else found.verdict,
                    percent(score(row.accuracy)),
                    points(None if row.accuracy is None else row.accuracy.drop_points),
                    number(None if row.roofline is None else row.roofline.distance),
                )
            )
    return Table(
        caption=f"{name} on each device, the form that backend=auto takes there",
        head=("device", "takes", "inference, ms", "p99", "time / its own float", "verdict", "metric, %", "drop, points", "times its floor"),
        rows=tuple(lines),
        words=(0, 1, 5),
    )  # fmt: skip
