"""Engines beside the fastest rival of the same accuracy, and beside the machine's INT8 floor, on every study network.

    python -m edgeneuro.benchmarks.bars [NET...] [--again] [--readme README.md]

Networks: those of edgeneuro.benchmarks.study_engines, which says how they are trained. Each is measured with one thread and
with two, as `edgeneuro benchmark --rivals` does it; a report that is there is taken, --again measures anew. Data sets are
looked for in $EDGENEURO_DATA. Writes runs/bars/NET-Nt/, docs/results/reports/NET-Nt.json and .md, docs/results/bars.json
and .md.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from edgeneuro.benchmarks.document import Comparison, Report, Row
from edgeneuro.benchmarks.measure.run import benchmark
from edgeneuro.benchmarks.measure.settings import Settings
from edgeneuro.benchmarks.readme import inject
from edgeneuro.benchmarks.report.read import read_report
from edgeneuro.benchmarks.report.write import write_report
from edgeneuro.benchmarks.results import RESULTS, table, write_result
from edgeneuro.benchmarks.rivals.accuracy import fastest_rival
from edgeneuro.benchmarks.study_engines import NAMES, study_engine
from edgeneuro.files import write_bytes

REPORTS = Path("runs") / "bars"
THREADS = (1, 2)
BUDGET_S = 90.0
FLOORS: Mapping[str, float] = {"stanet": 2.0, "resnet18": 1.05, "unet": 1.10}
"""Network -> times the INT8 floor that its engine may take at most."""
COLUMNS = {
    "network": "network",
    "threads": "threads",
    "chosen": "backend=auto takes",
    "ms": "ms p50 [95 %]",
    "rival": "fastest rival of the same accuracy",
    "ratio": "ours / that rival, median [95 %]",
    "verdict": "verdict",
    "faster": "rivals that are faster",
    "peak": "INT8 peak, GMAC/s",
    "compute": "all MACs at that peak, ms",
    "to_compute": "times that",
    "floor": "floor by layer, ms",
    "to_floor": "times that",
    "control": "one row against itself",
}


def report_of(name: str, threads: int, *, progress: Callable[[str], None]) -> Report:
    """The network's report: read where it was measured before, else measured and written."""
    folder = REPORTS / f"{name}-{threads}t"
    if (folder / "report.json").exists():
        return read_report(folder / "report.json")
    engine = study_engine(name, progress=progress)
    done = benchmark(
        [engine.path],
        engine.data,
        settings=Settings(
            threads=threads,
            rivals=True,
            checkpoint=engine.checkpoint,
            budget_s=BUDGET_S,
        ),
        command=f"python -m edgeneuro.benchmarks.bars {name}",
        progress=progress,
    )
    write_report(done, folder, force=True)
    return done


def row_of(name: str, done: Report) -> dict[str, Any]:
    """One network with one number of threads."""
    ours = next(row for row in done.rows if row.chosen)
    rival = fastest_rival(done.rows, ours)
    found = None if rival is None else _compared(done, ours, rival)
    inference, roof, same = ours.steps["inference"].at(50), ours.roofline, done.quiet.same
    peak = max(peak.gmac_s for peak in done.peaks if peak.precision == "int8")
    compute_ms = done.engines[0].compute.macs / peak / 1e6
    return {
        "network": name,
        "threads": done.conditions.threads,
        "chosen": f"{ours.precision} on {ours.backend}",
        "ms": f"{inference.ms:.3f} [{_ms(inference.low)}, {_ms(inference.high)}]",
        "rival": None if rival is None else f"{rival.tool} ({rival.precision}, {rival.backend})",
        "ratio": None if found is None else _interval(found),
        "verdict": None if found is None else found.verdict,
        "faster": ", ".join(_faster(done, ours)) or "none",
        "peak": peak,
        "compute": compute_ms,
        "to_compute": inference.ms / compute_ms,
        "floor": None if roof is None else roof.floor_ms,
        "to_floor": None if roof is None else roof.distance,
        "control": None if same is None else f"{same.p50:.3f} [{same.low:.3f}, {same.high:.3f}]",
        "quiet": done.quiet.quiet,
    }


def _compared(done: Report, ours: Row, rival: Row) -> Comparison | None:
    return next((one for one in done.comparisons if (one.row, one.reference) == (ours.name, rival.name)), None)


def _faster(done: Report, ours: Row) -> Iterator[str]:
    """Rivals of whatever accuracy that the run shows to be faster."""
    for one in done.comparisons:
        if one.row == ours.name and one.verdict == "slower":
            rival = done.row(one.reference)
            yield f"{rival.tool} ({rival.precision}, {rival.backend}) {_interval(one)}"


def _interval(one: Comparison) -> str:
    return f"{one.ratio.p50:.2f} [{one.ratio.low:.2f}, {one.ratio.high:.2f}]"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def notes_of(name: str, row: Mapping[str, Any], done: Report) -> Iterator[str]:
    """Sentences under the table: what was asked for, the slowest layers, why there is no verdict."""
    where = f"{name}, {row['threads']} thread(s)"
    if name in FLOORS:
        readings = {
            "all its operations at the INT8 peak": row["to_compute"],
            "its floor layer by layer": row["to_floor"],
        }
        for what, times in readings.items():
            if times is not None:
                met = "met" if times <= FLOORS[name] else "missed"
                yield f"{where}: {times:.2f} times {what}, asked for {FLOORS[name]:g}: {met}."
    ours = next(one for one in done.rows if one.chosen)
    slow = sorted((layer for layer in ours.layers if layer.floor_ms), key=lambda one: -(one.ms - (one.floor_ms or 0)))[
        :4
    ]
    listed = "; ".join(
        f"{one.operator} {one.name} ({one.precision}) {one.ms:.3f} of {one.floor_ms:.3f} ms" for one in slow
    )
    yield f"{where}: farthest from their floors: {listed}."
    for reason in done.quiet.reasons:
        yield f"{where}: no verdict, {reason}"


def summary(rows: Sequence[Mapping[str, Any]], done: Report) -> str:
    """The README's table. done: any of the reports, for machine and date."""
    shown = ("network", "threads", "chosen", "ms", "rival", "ratio", "verdict", "to_compute")
    here = done.machine
    return "\n".join(
        [
            table(
                rows, {name: COLUMNS[name] for name in shown} | {"to_compute": "times its operations at the INT8 peak"}
            ),
            "",
            (
                "One frame at a time, inference on ready tensors, all rows of a network interleaved in one run; a rival counts "
                "unless its accuracy on held-out groups is shown to be worse. STANet: us_lung_pocus, U-Net: neuron_pfc_pn, "
                f"ResNet-18: skin_ham10000, fold 0. {here['processor']}, {here['cores']} cores, {done.date[:10]}. Script: "
                "`python -m edgeneuro.benchmarks.bars`; what was missed and why, and every report: "
                "[docs/results/bars.md](docs/results/bars.md)."
            ),
        ]
    )


def write(names: Sequence[str], reports: Mapping[tuple[str, int], Report], readme: Path | None) -> None:
    """The table of all networks, and every report without its page."""
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for (name, threads), done in reports.items():
        row = row_of(name, done)
        rows.append(row)
        notes += notes_of(name, row, done)
        for kind in ("json", "md"):
            source = REPORTS / f"{name}-{threads}t" / f"report.{kind}"
            write_bytes(RESULTS / "reports" / f"{name}-{threads}t.{kind}", source.read_bytes())
    write_result(
        "bars",
        title="Engines beside the fastest rival of the same accuracy, and beside the machine's INT8 floor",
        rows=rows,
        columns=COLUMNS,
        context={
            "script": "python -m edgeneuro.benchmarks.bars " + " ".join(names),
            "data": [f"{name}: {reports[name, THREADS[0]].protocol.frames}" for name in names],
            "protocol": "[benchmark-protocol.md](../benchmark-protocol.md); rivals: [rivals.md](../rivals.md)",
            "rounds": {
                f"{name}, {threads}": sum(done.protocol.rounds.values()) for (name, threads), done in reports.items()
            },
            "what was missed, and why": "[bars.notes.md](bars.notes.md)",
            "dates": sorted({done.date[:10] for done in reports.values()}),
            "notes": [
                "The full reports are in [reports](reports). Same accuracy: a rival that is not shown to be worse than our row.",
                *notes,
            ],
        },
    )
    if readme is not None:
        inject(readme, "bars", summary(rows, done))


def main(
    nets: Annotated[list[str] | None, typer.Argument(help=f"Some of {', '.join(NAMES)}; all by default.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Measure what was measured before.")] = False,
    readme: Annotated[Path | None, typer.Option(help="README.md to put the summary into.")] = None,
) -> None:
    """Measure what has not been measured yet, and write the tables."""
    console, names = Console(stderr=True), list(nets or NAMES)
    reports: dict[tuple[str, int], Report] = {}
    for name in names:
        for threads in THREADS:
            if again:
                shutil.rmtree(REPORTS / f"{name}-{threads}t", ignore_errors=True)
            reports[name, threads] = report_of(name, threads, progress=lambda text: console.print(text))
    write(names, reports, readme)


if __name__ == "__main__":
    typer.run(main)
