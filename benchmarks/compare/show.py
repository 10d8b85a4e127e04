"""A comparison as tables for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from edgeneuro.benchmarks.compare.records import Compared, Comparison
from edgeneuro.benchmarks.report.words import percent, points
from edgeneuro.benchmarks.show import left_out_lines
from edgeneuro.export.gate import TITLES


def show_comparison(done: Comparison, console: Console) -> None:
    """What was compared on what, outputs, answers, then what each verdict rests on and what could not run."""
    data = done.data
    console.print(f"reference: {done.reference.name} {done.reference.version}")
    drawn = "" if done.drawn_from is None else f", drawn from {done.drawn_from:,} by seed {done.seed}"
    console.print(f"data: {data.name}, {data.frames:,} frames of {data.groups:,} groups{drawn}")
    for line in left_out_lines(done.left_out, done.protocol):
        console.print(line)
    console.print(_outputs(done))
    if done.task != "tensors":
        console.print(_answers(done))
    for one in done.executables:
        console.print(f"{one.verdict}: {one.executable.name}: {'; '.join(one.judged_by)}")
    for name, why in done.missing.items():
        console.print(f"not run: {name}: {why}")
    for note in done.notes:
        console.print(f"note: {note}")


def _outputs(done: Comparison) -> Table:
    """A row an executable and output. In brackets, shares of the reference's largest value."""
    table = Table("output", "cosine, min", "mean", "difference, largest", "mean")
    for column in table.columns[1:]:
        column.justify = "right"
    for one in done.executables:
        for row in _rows(one):
            table.add_row(*row)
    return table


def _rows(one: Compared) -> Iterator[tuple[str, ...]]:
    for found in one.outputs:
        yield (
            f"{one.executable.name}: {found.output}",
            f"{found.cosine_min:.6f}",
            f"{found.cosine_mean:.6f}",
            f"{found.max:.3g} ({found.relative_max:.2g})",
            f"{found.mean:.3g} ({found.relative_mean:.2g})",
        )
    if not one.outputs:
        yield one.executable.name, "-", "-", "-", "-"


def _answers(done: Comparison) -> Table:
    """Agreement, and with labels the metric and its paired drop; %, points, 95 % intervals over groups."""
    leaky = " (leaky protocol)" if done.protocol == "leaky" else ""
    agreement = "Dice with reference, %" if done.task == "segmentation" else "same class, %"
    table = Table(f"95 % intervals over groups{leaky}", agreement)
    if done.metric is not None:
        table.add_column(f"{TITLES[done.metric]}, %")
        table.add_column("drop, points")
    for column in table.columns[1:]:
        column.justify = "right"
    if done.reference_value is not None:
        table.add_row(f"{done.reference.name} (reference)", "-", percent(done.reference_value), "-")
    for one in done.executables:
        cells = [percent(one.agreement)]
        if done.metric is not None:
            cells += [percent(one.value), points(one.drop_points)]
        table.add_row(one.executable.name, *cells)
    return table
