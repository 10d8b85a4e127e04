"""Evaluations and benchmarks as tables for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from edgeneuro.benchmarks.accuracy import Evaluation, LeftOut
from edgeneuro.benchmarks.latency import CLAIMED_SHARE, DUAL_INPUT, DUAL_MODEL, Benchmark, EngineReport
from edgeneuro.benchmarks.protocol import Ratio
from edgeneuro.benchmarks.scoring import FRAME, Level, Scores
from edgeneuro.manifest import Interval
from edgeneuro.metrics import METRICS
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
    by = "frame" if level.unit == FRAME else f"{level.unit} (mean of its frames' probabilities)"
    leaky = " (leaky protocol)" if done.protocol == "leaky" else ""
    console.print(f"by {by}: {level.units} in {level.groups} groups; %, 95 % intervals over groups{leaky}")
    table = Table()
    table.add_column("", overflow="fold")
    for scores in level.graphs:
        table.add_column(scores.name, justify="right")
    for name, metric in METRICS.items():
        primary = " *" if name == done.primary_metric else ""
        table.add_row(f"{metric.title}{primary}{leaky}", *(percent(scores.metrics[name]) for scores in level.graphs))
    for name in done.classes:
        table.add_row(f"recall {name}{leaky}", *(_recall(scores, name) for scores in level.graphs))
    if len(level.graphs) > 1:
        drops = (scores.drop_points for scores in level.graphs)
        table.add_row(
            f"drop, points *{leaky}", *("-" if drop is None else points(drop[done.primary_metric]) for drop in drops)
        )
        agreements = (scores.agreement for scores in level.graphs)
        table.add_row(f"agreement{leaky}", *("-" if one is None else percent(one) for one in agreements))
    console.print(table)


def _recall(scores: Scores, name: str) -> str:
    recall = scores.recall[name]
    return "no frames" if recall is None else percent(recall)


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
