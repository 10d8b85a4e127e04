"""Evaluations as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from edgeneuro.benchmarks.accuracy import Evaluation, LeftOut
from edgeneuro.benchmarks.document import Subgroup
from edgeneuro.benchmarks.mask_scoring import MaskGraph, MaskLevel
from edgeneuro.benchmarks.report.words import percent, points
from edgeneuro.benchmarks.scoring import FRAME, Level, Scores
from edgeneuro.manifest import Interval
from edgeneuro.metrics import MASK_METRICS, METRICS, SPECIFICITY


def show_evaluation(done: Evaluation, console: Console) -> None:
    """One table a level, then what a reader must know before trusting it."""
    data = done.data
    console.print(f"{done.name} ({done.model}) on {data.name}: {data.frames} frames of {data.groups} groups")
    for line in left_out_lines(done.left_out, done.protocol):
        console.print(line)
    for level in done.levels:
        _show_level(level, done, console)
    for masks in done.mask_levels:
        _show_masks(masks, done, console)
    _show_subgroups(done, console)
    for flag, frames in done.frame_flags.items():
        console.print(f"flag {flag}: {frames} of {data.frames} frames")
    for flag in done.flags:
        console.print(f"flag {flag}")
    for note in done.notes:
        console.print(f"note: {note}")


def left_out_lines(left_out: LeftOut, protocol: str | None) -> Iterator[str]:
    """How many rows were not used, and why; nothing where all were."""
    if left_out.frames:
        groups = "" if protocol == "leaky" else f" of {left_out.groups} groups"  # leaky: their other frames are used
        yield f"left out: {left_out.frames} frames{groups} that training, validation or calibration has seen"
    if left_out.unlabelled:
        yield f"left out: {left_out.unlabelled} frames without a label"
    for reason, rows in left_out.dropped.items():
        yield f"left out by the data set: {rows} rows, {reason}"


def _show_level(level: Level, done: Evaluation, console: Console) -> None:
    table, leaky = _level_table(level, "mean of its frames' probabilities", done, console)
    for name, metric in METRICS.items():
        primary = " *" if name == done.primary_metric else ""
        table.add_row(f"{metric.title}{primary}{leaky}", *(percent(scores.metrics[name]) for scores in level.graphs))
    for name in done.classes:
        table.add_row(f"recall {name}{leaky}", *(_known(scores.recall[name], "no frames") for scores in level.graphs))
    table.add_row(f"area under ROC{leaky}", *(_known(scores.curves.auc, "one class") for scores in level.graphs))
    for name in done.classes:
        found = (scores.curves.sensitivity[name] for scores in level.graphs)
        table.add_row(
            f"sensitivity {name} at {100 * SPECIFICITY:.0f} % specificity{leaky}", *(_known(one, "-") for one in found)
        )
    errors = (f"{100 * scores.curves.calibration_error:.1f}" for scores in level.graphs)
    table.add_row(f"calibration error{leaky}", *errors)
    _add_paired(table, level.graphs, done.primary_metric, leaky)
    console.print(table)


def _show_masks(level: MaskLevel, done: Evaluation, console: Console) -> None:
    table, leaky = _level_table(level, "mean of its frames' scores", done, console)
    for name, title in MASK_METRICS.items():
        primary = " *" if name == done.primary_metric else ""
        table.add_row(f"{title}{primary}{leaky}", *(percent(graph.metrics[name]) for graph in level.graphs))
    for name in done.classes[1:]:
        found = (_known(graph.classes[name], "in no mask") for graph in level.graphs)
        table.add_row(f"Dice where {name} is{leaky}", *found)
    _add_paired(table, level.graphs, done.primary_metric, leaky)
    console.print(table)


def _level_table(level: Level | MaskLevel, put_together: str, done: Evaluation, console: Console) -> tuple[Table, str]:
    """An empty table with a column a graph, below a line that says what its numbers are; and what marks a leaky one."""
    by = "frame" if level.unit == FRAME else f"{level.unit} ({put_together})"
    leaky = " (leaky protocol)" if done.protocol == "leaky" else ""
    console.print(f"by {by}: {level.units} in {level.groups} groups; %, 95 % intervals over groups{leaky}")
    table = Table()
    table.add_column("", overflow="fold")
    for graph in level.graphs:
        table.add_column(graph.name, justify="right")
    return table, leaky


def _add_paired(table: Table, graphs: Sequence[Scores] | Sequence[MaskGraph], metric: str, leaky: str) -> None:
    if len(graphs) > 1:
        drops = (graph.drop_points for graph in graphs)
        table.add_row(f"drop, points *{leaky}", *("-" if drop is None else points(drop[metric]) for drop in drops))
        table.add_row(f"agreement{leaky}", *(_known(graph.agreement, "-") for graph in graphs))


def _show_subgroups(done: Evaluation, console: Console) -> None:
    """One table a column of the data set: every value with its frames, its groups and every graph's primary metric."""
    first: Sequence[Subgroup] = next(iter(done.subgroups.values()), ())
    title = MASK_METRICS[done.primary_metric] if done.mask_levels else METRICS[done.primary_metric].title
    leaky = " (leaky protocol)" if done.protocol == "leaky" else ""
    for column in dict.fromkeys(one.column for one in first):
        console.print(f"by {column}: {title} of frames, %, and drops in points; 95 % intervals over groups{leaky}")
        drops = [f"{name} drop" for name, own in done.subgroups.items() if own[0].drop_points is not None]
        table = Table(column, "frames", "groups", *done.subgroups, *drops)
        for heading in table.columns[1:]:
            heading.justify = "right"
        for at, one in enumerate(first):
            if one.column == column:
                table.add_row(f"{one.value}{leaky}", str(one.frames), str(one.groups), *_cells(done.subgroups, at))
        console.print(table)


def _cells(graphs: Mapping[str, Sequence[Subgroup]], at: int) -> list[str]:
    """The scores of subgroup number `at` on each graph, then what each graph but the reference loses."""
    rows = [own[at] for own in graphs.values()]
    return [percent(row.metric) for row in rows] + [
        points(row.drop_points) for row in rows if row.drop_points is not None
    ]


def _known(interval: Interval | None, otherwise: str) -> str:
    return otherwise if interval is None else percent(interval)
