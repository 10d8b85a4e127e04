"""`edgeneuro calibrate`: ranges of a network, and the methods that find them side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeneuro.cli.options import Force, Json, err, out, print_facts, print_json
from edgeneuro.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from edgeneuro.calibration.collect import Track
    from edgeneuro.calibration.ranges import Range
    from edgeneuro.export.calibrate_run import CalibrateReport
    from edgeneuro.export.compare_ranges import RangeComparison
    from edgeneuro.spec import Feed

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
    typer.Option(
        metavar="SRC", help="Labelled frames; of validation groups, errors are measured.  [default: as above]"
    ),
]
Method = Annotated[
    str,
    typer.Option(
        metavar="NAME|all",
        help="min-max, mean-min-max, percentile-99.9, percentile-99.99, percentile-99.999, entropy, mse, nncf, "
        "nncf-histogram, or all of them beside each other.",
    ),
]
Preprocess = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="What an .onnx file does not say of itself.")
]
Frames = Annotated[
    int, typer.Option("--calibration-frames", min=1, metavar="N", help="At most so many calibration frames.")
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Of the choice of frames.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE.json", help="Write the ranges of one method.")]


def command(
    source: Source,
    calibration: Calibration = None,
    data: Data = None,
    method: Method = "all",
    preprocess: Preprocess = None,
    calibration_frames: Frames = 300,
    seed: Seed = 0,
    out_path: Out = None,
    force: Force = False,
    as_json: Json = False,
    quiet: bool = False,
) -> None:
    """Find the ranges that INT8 has to represent, and what each way of finding them costs.

    Frames are chosen to cover groups, classes, brightness, contrast and recording settings. Errors are those of INT8
    graphs against float, emulated operator by operator, on frames not used for calibration. Ranges are kept in the
    user's cache, and used again while frames, preprocessing, network and libraries stay the same.

    \b
    edgeneuro calibrate myositis
    edgeneuro calibrate runs/lung --data us_lung_pocus --method mse --out ranges.json
    edgeneuro calibrate net.onnx --calibration frames/ --json
    """
    from edgeneuro.data import open_data
    from edgeneuro.export.calibrate_run import ALL, CalibrateSettings, run_calibration
    from edgeneuro.export.file_options import NOTHING_SAID, read_options
    from edgeneuro.files import refuse_existing, write_bytes
    from edgeneuro.records import to_json

    if out_path is not None:
        if method == ALL:
            raise UsageError(f"--out {out_path}: takes the ranges of one method; name it with --method")
        refuse_existing(out_path, force=force)
    settings = CalibrateSettings(
        method=method,
        calibration_frames=calibration_frames,
        seed=seed,
        options=read_options(preprocess) if preprocess else NOTHING_SAID,
    )
    with _progress(quiet) as (step, track):
        report, plans = run_calibration(
            source,
            settings,
            data=open_data(data) if data else None,
            calibration=open_data(calibration) if calibration else None,
            step=step,
            track=track,
        )
    if out_path is not None:
        write_bytes(out_path, plans[method].to_bytes())
    if as_json:
        print_json(to_json(report))
    else:
        _show(report)


@contextmanager
def _progress(quiet: bool) -> Iterator[tuple[Callable[[str], None], Track]]:
    """Yields what to tell each step, and what follows a pass over frames: a bar on a terminal, one line a step
    elsewhere, nothing if `quiet`."""
    console = err()
    console.quiet = quiet
    if not console.is_terminal:
        yield lambda name: console.print(f"{name} ...", soft_wrap=True), lambda feeds: feeds
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None)

        def track(feeds: Sequence[Feed]) -> Iterator[Feed]:
            progress.update(task, total=len(feeds), completed=0)
            for feed in feeds:
                yield feed
                progress.advance(task)

        yield lambda name: progress.update(task, description=f"{name} ...", total=None), track


def _show(report: CalibrateReport) -> None:
    """Methods, then the tensors they disagree on most, then what was measured on what."""
    console, comparison = out(), report.comparison
    console.print(_methods(comparison))
    console.print()
    if comparison.tensors:
        console.print(_tensors(comparison))
        console.print()
    print_facts(console, list(_facts(report)))


def _methods(comparison: RangeComparison) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    forms = list(comparison.layers)
    table.add_column("method")
    for form in forms:
        table.add_column(f"error, {form}", justify="right")
        table.add_column("agreement", justify="right")
    table.add_column("clipped", justify="right")
    for row in comparison.methods:
        cells = [cell for form in forms for cell in (f"{row.errors[form]:.4f}", f"{100 * row.agreement[form]:.1f} %")]
        table.add_row(row.name, *cells, f"{100 * row.clipped:.4f} %")
    return table


def _tensors(comparison: RangeComparison) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("methods disagree on", overflow="fold")
    for name in ("widest / narrowest", "widest", "narrowest"):
        table.add_column(name, justify="right")
    for row in comparison.tensors:
        ordered = sorted(row.ranges, key=lambda name: row.ranges[name].high - row.ranges[name].low)
        ends = (f"{name}: {_range(row.ranges[name])}" for name in (ordered[-1], ordered[0]))
        table.add_row(row.tensor, f"{row.ratio:.2f}", *ends)
    return table


def _range(limits: Range) -> str:
    return f"{limits.low:.3g} to {limits.high:.3g}"


def _facts(report: CalibrateReport) -> Iterator[tuple[str, str]]:
    layers = ", ".join(f"{count} for {form}" for form, count in report.comparison.layers.items())
    yield "model", f"{report.model}, nodes in INT8: {layers}"
    yield "calibrated on", f"{report.calibration.frames} frames of {report.calibration.groups} groups"
    yield "compared on", f"{report.compared.frames} frames of {report.compared.groups} groups, {report.compared.name}"
    yield "error", "root mean square over the float outputs' standard deviation; emulated, not run on a device"
    for note in report.notes:
        yield "note", note
