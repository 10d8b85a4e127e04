"""Evaluations and benchmarks as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from edgeneuro.benchmarks.accuracy import Evaluation, LeftOut
from edgeneuro.benchmarks.latency import CLAIMED_SHARE, DUAL_INPUT, DUAL_MODEL, Benchmark, EngineReport
from edgeneuro.benchmarks.mask_scoring import MaskGraph, MaskLevel
from edgeneuro.benchmarks.protocol import Ratio
from edgeneuro.benchmarks.scoring import FRAME, Level, Scores
from edgeneuro.manifest import Interval
from edgeneuro.metrics import MASK_METRICS, METRICS, SPECIFICITY
from edgeneuro.models import MODELS

BUSY_SHARE = 0.5
"""Of the cores: a larger load average before the run means that others were computing."""


def percent(interval: Interval) -> str:
    """ "71.2 [60.1, 80.9]", of a share."""
    return f"{100 * interval.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def points(interval: Interval) -> str:
    """ "+0.4 [-0.2, +1.1]"; a zero has no minus."""
    value, low, high = (round(x, 2) + 0.0 for x in (interval.value, interval.low, interval.high))
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


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


def _known(interval: Interval | None, otherwise: str) -> str:
    return otherwise if interval is None else percent(interval)


def show_benchmark(done: Benchmark, console: Console) -> None:
    """Each engine's operations, bytes and times, then the machine they hold for."""
    for engine in done.engines:
        _show_engine(engine, done, console)
    here = done.machine
    threads = "as many threads as cores" if done.threads is None else f"{done.threads} thread(s)"
    console.print(
        f"{here['processor']} ({here['architecture']}), {here['cores']} cores, {threads}, {here['system']}, "
        f"Python {here['python']}, onnxruntime {here['libraries']['onnxruntime']}, {done.date}"
    )
    load = "unknown" if done.load_average is None else f"{done.load_average:.2f}"
    console.print(
        f"{done.rounds} rounds after {done.warm_up} of warm-up, all graphs in each round; {done.frames}; "
        f"load average before: {load}"
    )
    if done.load_average is not None and done.load_average > BUSY_SHARE * done.machine["cores"]:
        console.print("note: the machine was busy before the run; trust the ratios of medians, not the times")


def _show_engine(engine: EngineReport, done: Benchmark, console: Console) -> None:
    console.print(
        f"{engine.name} ({engine.model}): input {engine.input}, {engine.compute.params:,} parameters, "
        f"{engine.compute.macs:,} MACs a frame, {engine.bytes:,} bytes"
    )
    if engine.model in MODELS and engine.model != DUAL_MODEL:  # the claim is not about a file of the user's own
        _show_share(engine, done, console)
    for graph in engine.graphs:
        counted = f"{graph.graph.int8_convolutions} of {graph.graph.convolutions} convolutions in INT8"
        console.print(f"{graph.graph.precision} ({graph.graph.backend}): {graph.bytes:,} bytes, {counted}")
    table = Table("ms a frame", "step", "p50", "p90", "p99")
    for column in table.columns[1:]:
        column.justify = "right"
    for graph in engine.graphs:
        for i, (step, times) in enumerate(graph.ms.items()):
            name = graph.graph.precision if i == 0 else ""
            table.add_row(name, step, f"{times.p50:.3f}", f"{times.p90:.3f}", f"{times.p99:.3f}")
    console.print(table)
    for graph in engine.graphs:
        if graph.inference_ratio is not None and graph.total_ratio is not None:
            console.print(
                f"{graph.graph.precision} / fp32, same rounds: inference {_ratio(graph.inference_ratio)}, "
                f"total {_ratio(graph.total_ratio)} (median [p10, p90]; below 1 is faster)"
            )
    for text in (*(f"flag {flag}" for flag in engine.flags), *(f"note: {note}" for note in engine.notes)):
        console.print(text)


def _show_share(engine: EngineReport, done: Benchmark, console: Console) -> None:
    console.print(
        f"{engine.compute.macs / 1e6:,.2f} M MACs are {100 * engine.dual_share:.4f} % of the dual-branch network's "
        f"{done.dual_macs / 1e6:,.1f} M ({done.dual_source}); Tan et al. 2024 claim {100 * CLAIMED_SHARE:g} %"
    )
    dual_size = next((_size(other.input) for other in done.engines if other.model == DUAL_MODEL), DUAL_INPUT)
    if _size(engine.input) != dual_size:
        console.print(f"note: not like for like, the dual-branch network's count is for {dual_size} px")


def _size(shape: str) -> str:
    """ "224 x 224" of "1 x 224 x 224"."""
    return shape.partition(" x ")[2]


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.p50:.2f} [{ratio.p10:.2f}, {ratio.p90:.2f}]"
