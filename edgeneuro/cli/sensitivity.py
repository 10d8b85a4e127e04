"""`edgeneuro sensitivity`: what each quantised layer costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeneuro.cli.options import Force, Json, err, out, print_facts, print_json
from edgeneuro.cli.preprocess_options import PreprocessFile, file_options
from edgeneuro.errors import UsageError

if TYPE_CHECKING:
    from edgeneuro.export.sensitivity_run import MeasuredSensitivity

Source = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|CKPT|FILE.onnx",
        help="A reference model with packaged weights, a checkpoint folder, or a float file.",
    ),
]
Calibration = Annotated[
    str | None,
    typer.Option(metavar="SRC", help="Frames that fix the ranges.  [default: training part of the model's data]"),
]
Data = Annotated[
    str | None,
    typer.Option(metavar="SRC", help="Labelled frames; validation groups are scored.  [default: the model's own data]"),
]
Target = Annotated[str, typer.Option(metavar="NAME", help="INT8 form, as `edgeneuro lint` names targets.")]
Top = Annotated[int, typer.Option(min=1, metavar="K", help="How many of the most sensitive layers to find.")]
Budget = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Graphs to run at most.  [default: about 2 K log2(layers)]")
]
Preprocess = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="What an .onnx file does not say of itself.")
]
Frames = Annotated[
    int, typer.Option("--calibration-frames", min=1, metavar="N", help="At most so many calibration frames.")
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Of the choice of frames.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE.json", help="Write the keep-float list.")]
Chart = Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Write the bar chart.")]

ADDITIVE = 2.5
"""Up to here the squared errors of parts may exceed that of the whole: two neighbours share the tensor between them."""


def command(
    source: Source,
    calibration: Calibration = None,
    data: Data = None,
    target: Target = "onnxruntime-x86-vnni",
    top: Top = 5,
    budget: Budget = None,
    preprocess: PreprocessFile = None,
    calibration_frames: Frames = 300,
    seed: Seed = 0,
    out_path: Out = None,
    chart: Chart = None,
    force: Force = False,
    as_json: Json = False,
    quiet: bool = False,
) -> None:
    """Find the layers that cost most in INT8, and write the list that keeps them in float.

    Groups of layers are quantised and compared with the float network; the groups with the largest error are divided
    until single layers are left. The list goes into `edgeneuro build-engine --keep-float`. See docs/sensitivity.md.

    \b
    edgeneuro sensitivity myositis
    edgeneuro sensitivity runs/lung --data us_lung_pocus --top 3 --out keep-float.json --chart layers.svg
    edgeneuro sensitivity net.onnx --calibration frames/ --target tensorrt --json
    """
    from edgeneuro.data import open_data
    from edgeneuro.export.sensitivity_chart import chart as drawn
    from edgeneuro.export.sensitivity_run import SensitivitySettings, measure_sensitivity
    from edgeneuro.files import refuse_existing, write_bytes
    from edgeneuro.records import to_json

    _check_outputs(out_path, chart)
    for path in (out_path, chart):
        if path is not None:
            refuse_existing(path, force=force)
    settings = SensitivitySettings(
        target=target,
        top=top,
        budget=budget,
        calibration_frames=calibration_frames,
        seed=seed,
        options=file_options(preprocess),
    )
    with _progress(quiet) as (step, evaluated):
        done = measure_sensitivity(
            source,
            settings,
            data=open_data(data) if data else None,
            calibration=open_data(calibration) if calibration else None,
            step=step,
            progress=evaluated,
        )
    if out_path is not None:
        write_bytes(out_path, done.keep_float.to_bytes())
    if chart is not None:
        write_bytes(chart, drawn(done.report, done.model).encode())
    if as_json:
        print_json(to_json(done))
    else:
        _show(done)


def _check_outputs(out_path: Path | None, chart: Path | None) -> None:
    if chart is not None and chart.suffix.lower() != ".svg":
        raise UsageError(f"--chart {chart}: ends in {chart.suffix or 'nothing'}, expected .svg, the only kind there is")
    if out_path is not None and out_path.suffix.lower() in (".svg", ".edge", ".onnx"):
        raise UsageError(f"--out {out_path}: ends in {out_path.suffix}, expected FILE.json for the keep-float list")


@contextmanager
def _progress(quiet: bool) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """Yields what to tell each step and each graph: a bar on a terminal, one line a step elsewhere, nothing if quiet."""
    console = err()
    console.quiet = quiet
    if not console.is_terminal:
        yield lambda name: console.print(f"{name} ...", soft_wrap=True), lambda done, most: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None, count="")
        yield (
            lambda name: progress.update(task, description=f"{name} ..."),
            lambda done, most: progress.update(task, completed=done, total=most, count=f"{done} of at most {most}"),
        )


def _show(done: MeasuredSensitivity) -> None:
    """The layers, most sensitive first, then what they add up to."""
    from rich.table import Table

    report, console = done.report, out()
    table = Table(box=None, pad_edge=False)
    names = ("layer", "operator", "alone in INT8", "all but it in INT8")
    for name in (*names, *([f"{report.metric.name}, points"] if report.metric else [])):
        table.add_column(name, justify="left" if name in names[:2] else "right", overflow="fold")
    for row in report.rows:
        if row.node in report.found:
            cells = (row.node, row.operator, _number(row.error), _number(row.error_without))
            table.add_row(*cells, *([_points(row.drop_points)] if report.metric else []))
    if report.found:
        console.print(table)
        console.print()
    print_facts(console, list(_facts(done)))


def _facts(done: MeasuredSensitivity) -> Iterator[tuple[str, str]]:
    report = done.report
    yield "model", f"{done.model}, {report.layers} layers in INT8 for {report.form}"
    yield "output error", f"{_number(report.error)} of the outputs' standard deviation, {report.frames} frames"
    if report.keep_float:
        yield "kept in float", f"the first {len(report.keep_float)} of these: error {_number(report.error_kept)}"
    elif report.found:
        yield "kept in float", "none: with any of these in float the error is larger, because errors undo each other"
    if report.metric is not None:
        metric = report.metric
        where = f"{metric.frames} frames"
        if done.labelled is not None:
            where = f"{metric.frames} frames of {done.labelled.groups} validation groups"
        lost = f"{_points(metric.drop_points)} points in INT8"
        if report.keep_float:
            lost += f", {_points(metric.drop_points_kept)} with those in float"
        yield metric.name, f"{100 * metric.value:.1f} % in float; {lost} ({where})"
    yield (
        "graphs run",
        f"{report.evaluations}, {'emulated operator by operator' if report.emulated else 'on this machine'}",
    )
    if not report.complete:
        yield "note", "the error is spread over many layers, and others may cost more; --budget lets the search go on"
    if report.additivity > ADDITIVE:
        times = f"{report.additivity:.1f} times"
        yield (
            "note",
            f"squared errors of the parts are {times} that of the whole: errors of layers partly undo each other",
        )
    if report.cancels:
        yield "note", "errors of some layers cancel, so the rest was measured one by one"
    if not report.found:
        yield "note", "no layer stands out"


def _number(error: float | None) -> str:
    return "-" if error is None else f"{error:.3g}"


def _points(drop: float | None) -> str:
    return "-" if drop is None else f"{-drop + 0.0:+.2f}"
