"""edgeneuro benchmark: operations, bytes, time, accuracy, memory and energy of engines, and of rivals."""

from __future__ import annotations

import shlex
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.cli.options import AllowUnsigned, Force, Json, Quiet, Threads


class ScenarioName(str, Enum):
    """edgeneuro.benchmarks.document.Scenario for the command line."""

    single_stream = "single-stream"
    multi_stream = "multi-stream"
    offline = "offline"


def command(
    context: typer.Context,
    engines: Annotated[list[Path], typer.Argument(metavar="ENGINE...", help=".edge files.", show_default=False)],
    data: Annotated[
        str | None,
        typer.Option(
            help="Frames to time, and to judge by where they are labelled.  [default: synthetic ones]", metavar="SRC"
        ),
    ] = None,
    queries: Annotated[int, typer.Option(min=1, metavar="N", help="Frames that every row is timed on.")] = 1024,
    budget: Annotated[
        float, typer.Option(min=1.0, metavar="SECONDS", help="Of timing, an engine; ends the queries earlier.")
    ] = 120.0,
    scenario: Annotated[
        list[ScenarioName] | None,
        typer.Option(help="MLPerf scenarios, as often as wanted.  [default: single-stream]", show_default=False),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Backends to measure.  [default: all installed]", show_default=False),
    ] = None,
    rivals: Annotated[
        bool, typer.Option("--rivals", help="Measure PyTorch, ONNX Runtime, OpenVINO and NNCF in the same run.")
    ] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Network that the PyTorch rivals run.  [default: packaged]")
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            metavar="SRC", help="Frames for the rivals' quantisers.  [default: those of the engine in --data]"
        ),
    ] = None,
    subgroup: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Accuracy by this column.  [default: those of the data set]"),
    ] = None,
    soak: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="Run the chosen graph so long, to see it throttle.")
    ] = 0.0,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write report.json, report.md and report.html there.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="JSON", help="An earlier report.json; exit 3 where this run is worse.")
    ] = None,
    ratios_only: Annotated[
        bool, typer.Option("--ratios-only", help="With --against: compare no times, only ratios to FP32.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call this machine.  [default: its processor]")
    ] = None,
    force: Force = False,
    allow_unsigned: AllowUnsigned = False,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Of synthetic frames, of the order within a round, of resamples.")
    ] = 0,
    threads: Threads = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure what engines cost on this machine, and what they are worth.

    Every graph of an engine runs on every installed backend, all of them once in each round in an order drawn anew, so
    that they can be compared: warm-up until stable, quantiles with intervals, layers, roofline, memory, energy where a
    sensor is readable, and with labelled data accuracy on groups the network has never seen. A machine too noisy to
    tell gives no verdict. How: docs/benchmark-protocol.md.

    \b
    edgeneuro benchmark myositis-int8.edge
    edgeneuro benchmark lung.edge --data us_lung_pocus --threads 1 --rivals --report reports/lung
    edgeneuro benchmark lung.edge --against reports/lung/report.json
    """
    from edgeneuro.benchmarks.measure.run import benchmark
    from edgeneuro.benchmarks.measure.settings import Settings
    from edgeneuro.benchmarks.show_benchmark import show_benchmark
    from edgeneuro.cli.options import err, out, print_json, tracked
    from edgeneuro.data import open_data
    from edgeneuro.records import to_json

    if ratios_only and against is None:
        from edgeneuro.errors import UsageError

        raise UsageError("--ratios-only: says how to compare; give --against with an earlier report.json")
    if report is not None:
        from edgeneuro.benchmarks.report.write import check_report

        check_report(report, force=force)
    if against is not None:
        from edgeneuro.benchmarks.report.read import read_report

        baseline = read_report(against)
    settings = Settings(
        queries=queries,
        budget_s=budget,
        scenarios=tuple(name.value for name in scenario or (ScenarioName.single_stream,)),
        backends=None if not backend else tuple(backend),
        threads=threads,
        seed=seed,
        subgroups=None if not subgroup else tuple(subgroup),
        rivals=rivals,
        checkpoint=checkpoint,
        calibration=None if calibration is None else open_data(calibration),
        soak_s=soak,
        allow_unsigned=allow_unsigned,
    )
    dataset = None if data is None else open_data(data)

    def progress(text: str) -> None:
        if not quiet:
            err().print(text, soft_wrap=True)

    done = benchmark(
        engines,
        dataset,
        settings=settings,
        command=shlex.join(["edgeneuro", *context.find_root().obj]),
        device=device,
        track=tracked("measuring", quiet=quiet),
        progress=progress,
    )
    if report is not None:
        from edgeneuro.benchmarks.measure.pictures import take_pictures
        from edgeneuro.benchmarks.report.write import write_report

        done, pictures = take_pictures(done, engines, dataset, settings=settings, progress=progress)
        for path in write_report(done, report, pictures=pictures, force=force):
            err().print(f"wrote {path}", soft_wrap=True)
    if as_json:
        print_json(to_json(done))
    else:
        show_benchmark(done, out())
    if against is not None:
        from edgeneuro.benchmarks.measure.against import check_against, regression_lines

        for line in regression_lines(check_against(done, baseline, ratios_only=ratios_only)):
            err().print(line, soft_wrap=True)
