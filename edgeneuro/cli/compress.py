"""`edgeneuro compress`: the smallest network that is still good enough."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeneuro.cli.compress_output import show, shown, trial_line, write_reports
from edgeneuro.cli.options import Force, GroupColumn, Json, LabelColumn, Threads, print_json
from edgeneuro.errors import CheckpointError, GateError, UsageError

if TYPE_CHECKING:
    from edgeneuro.export.compress.finish import Result
    from edgeneuro.export.compress.records import SearchSettings
    from edgeneuro.export.compress.study import Found

Source = Annotated[
    str, typer.Argument(metavar="MODEL|CKPT", help="A reference model with packaged weights, or a checkpoint folder.")
]
TargetLatency = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Median of one inference through the bundle, on the trial's machine: 0.3ms, 250us."
    ),
]
TargetMacs = Annotated[
    float | None, typer.Option(metavar="SHARE", help="Multiply-accumulates to keep, of the base's: 0.15.")
]
MaxDrop = Annotated[
    str,
    typer.Option(
        metavar="POINTS|SHARE%", help="How much worse than float the engine may be, as build-engine takes it."
    ),
]
Teacher = Annotated[
    str | None,
    typer.Option(metavar="MODEL|CKPT|FILE.onnx", help="Network that trials learn from.  [default: the base itself]"),
]
Trials = Annotated[int, typer.Option(min=1, metavar="N", help="Candidates to try.")]
Epochs = Annotated[int, typer.Option(min=1, metavar="N", help="Most epochs of a trial.")]
FinalEpochs = Annotated[int, typer.Option(min=1, metavar="N", help="Epochs of the winner.")]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Dask scheduler, tcp://HOST:PORT.  [default: processes of this machine]"),
]
WorkerCount = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Trials at once on this machine; they slow each other.  [default: 1]"),
]
Backends = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Lower for this backend; may be repeated.  [default: all that can be checked]"),
]
Data = Annotated[
    str | None, typer.Option(metavar="SRC", help="Where the base's data lie now.  [default: where it was trained]")
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Of what is tried, and of every trial.")]
StudyFolder = Annotated[
    Path | None, typer.Option("--study", metavar="DIR", help="Folder of the search.  [default: runs/NAME-compressed]")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE.edge", help="Output.  [default: NAME-compressed.edge]")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the search in the folder; start where there is none.")
]

UNITS_MS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "µs": 1e-3, "μs": 1e-3}
"""Both letters that are written for micro."""


def command(
    source: Source,
    target_latency: TargetLatency = None,
    target_macs: TargetMacs = None,
    max_drop: MaxDrop = "1",
    teacher: Teacher = None,
    trials: Trials = 20,
    epochs: Epochs = 8,
    final_epochs: FinalEpochs = 30,
    scheduler: Scheduler = None,
    workers: WorkerCount = None,
    backend: Backends = None,
    data: Data = None,
    label_column: LabelColumn = None,
    group_column: GroupColumn = None,
    seed: Seed = 0,
    study: StudyFolder = None,
    out_path: Out = None,
    resume: Resume = False,
    force: Force = False,
    threads: Threads = None,
    as_json: Json = False,
    quiet: bool = False,
) -> None:
    """Search for the best network below a time or a number of operations, and make its engine.

    Every trial cuts the base, trains what is left and judges the engine on the validation part; hopeless ones are stopped. The
    best inside the goal is trained to its end, quantised and gated; the test part is looked at once, then. The study holds
    pareto.json, pareto.md and pareto.html. Interrupted, it goes on with --resume. See docs/compress.md.

    \b
    edgeneuro compress runs/lung --target-macs 0.15 --max-drop 0.5
    edgeneuro compress runs/lung --target-latency 0.3ms --teacher runs/lite0 --trials 40
    edgeneuro compress runs/lung --target-macs 0.15 --scheduler tcp://10.0.0.5:8786 --resume
    """
    from edgeneuro.benchmarks.report.html import check_html
    from edgeneuro.export.compress.records import Goal, SearchSettings
    from edgeneuro.export.gate import parse_margin
    from edgeneuro.files import refuse_existing

    if scheduler and workers:
        raise UsageError("--scheduler and --workers: got both, expected one; a running cluster has the workers it has")
    parse_margin(max_drop)
    goal = Goal(
        macs=target_macs,
        latency_ms=None if target_latency is None else parse_latency(target_latency),
        max_drop=max_drop,
    )
    check_html()
    checkpoint, name = base_checkpoint(source)
    folder, path = study or Path("runs") / f"{name}-compressed", out_path or Path(f"{name}-compressed.edge")
    settings = SearchSettings(
        base=str(checkpoint),
        goal=goal,
        trials=trials,
        epochs=epochs,
        final_epochs=final_epochs,
        teacher=None if teacher is None else absolute(teacher),
        backends=tuple(backend or ()),
        threads=threads or 1,
        seed=seed,
        data=None if data is None else absolute(data),
        label_column=label_column,
        group_column=group_column,
    )
    result = ended(folder, settings) if resume else None
    if result is None:
        refuse_existing(path, force=force)
    with shown(quiet) as (line, step):
        found = searched(
            settings, folder, line, step, scheduler=scheduler, workers=workers or 1, resume=resume, force=force
        )
        model = model_name(checkpoint)
        if result is None:
            write_reports(model, found, None, folder)
        done = finished(found, folder, path, result, step, force=force)
        document = write_reports(model, found, done, folder)
    if as_json:
        from edgeneuro.records import to_json

        print_json(to_json(document))
    else:
        show(document, folder, path)
    if not done.written:
        raise GateError(f"{path}: not written: {done.reason}")


def parse_latency(text: str) -> float:
    """Milliseconds from "0.3ms", "250us" or "0.001 s". Raises UsageError."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(s|ms|us|µs|μs)\s*", text)
    if match is None:
        raise UsageError(f"--target-latency {text}: expected a time with its unit, ms, us or s, e.g. 0.3ms")
    return float(match[1]) * UNITS_MS[match[2]]


def base_checkpoint(source: str) -> tuple[Path, str]:
    """The folder, absolute, and a name for outputs. Raises UsageError, CheckpointError."""
    from edgeneuro.models import MODELS
    from edgeneuro.training.checkpoint import packaged, read_config

    folder = Path(source)
    if folder.is_dir():
        read_config(folder)
        return folder.resolve(), folder.resolve().name
    if source in MODELS:
        return packaged(source).resolve(), source
    raise UsageError(
        f"{source}: is no checkpoint folder and no model; expected what `edgeneuro train` writes, since a trial is trained, or one of "
        f"{', '.join(MODELS)}"
    )


def absolute(source: str) -> str:
    """A file or folder as workers elsewhere find it; a name stays one."""
    path = Path(source).expanduser()
    return str(path.resolve()) if path.exists() else source


def model_name(checkpoint: Path) -> str:
    """Of the table."""
    from edgeneuro.training.checkpoint import read_config

    return read_config(checkpoint).model


def ended(folder: Path, settings: SearchSettings) -> Result | None:
    """What the search in `folder` ended in, None where it has not ended. Raises CheckpointError where more is asked of it."""
    import json

    from edgeneuro.export.compress.finish import RESULT, Result
    from edgeneuro.export.compress.study import TRIALS
    from edgeneuro.records import from_json

    file = folder / RESULT
    if not file.exists():
        return None
    there = len(list((folder / TRIALS).iterdir()))
    if settings.trials > there:
        raise CheckpointError(
            f"{folder}: the search has ended after {there} trials and its test part was looked at; give another --study for more"
        )
    return from_json(Result, json.loads(file.read_bytes()), str(file))


def searched(
    settings: SearchSettings,
    folder: Path,
    line: Callable[[str], None],
    step: Callable[[str], None],
    *,
    scheduler: str | None,
    workers: int,
    resume: bool,
    force: bool,
) -> Found:
    """All trials."""
    from edgeneuro.export.compress.cluster import open_cluster
    from edgeneuro.export.compress.space import base_facts, suggest
    from edgeneuro.export.compress.study import prepare_folder, search
    from edgeneuro.export.compress.trial import run_trial

    prepare_folder(folder, resume=resume, force=force)
    return search(
        settings,
        folder,
        cluster=partial(open_cluster, folder.resolve(), scheduler=scheduler, workers=workers),
        run=run_trial,
        facts=base_facts,
        suggest=suggest,
        progress=lambda outcome: line(trial_line(outcome)),
        step=step,
    )


def finished(
    found: Found, folder: Path, path: Path, result: Result | None, step: Callable[[str], None], *, force: bool
) -> Result:
    """The engine of the winner; of a search that has ended, what it ended in. Raises GateError where nothing won."""
    import json

    from edgeneuro.export.compress.finish import BUNDLE, FINAL, RESULT, Result, finish
    from edgeneuro.files import refuse_existing, write_bytes
    from edgeneuro.records import from_json

    if result is not None:
        engine = folder / FINAL / BUNDLE
        if result.written and not (path.exists() and path.read_bytes() == engine.read_bytes()):
            refuse_existing(path, force=force)
            write_bytes(path, engine.read_bytes())
        return result
    if found.winner is None:
        from edgeneuro.export.compress.pareto import why

        raise GateError(f"{folder}: {why(found)} Allow more, or try more with --trials and --resume")
    try:
        finish(found.settings, found.base, found.winner, folder, path, force=force, step=step)
    except GateError:
        if not (folder / RESULT).exists():
            raise
    return from_json(Result, json.loads((folder / RESULT).read_bytes()), str(folder / RESULT))
