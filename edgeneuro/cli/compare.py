"""edgeneuro compare: the same frames through several executables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.cli.options import AllowUnsigned, GroupColumn, Json, LabelColumn, PrecisionName, Quiet, Threads


def command(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help=".edge files, .onnx files, checkpoint folders.", show_default=False),
    ],
    data: Annotated[str, typer.Option(metavar="SRC", help="phantom, a registered name or a folder; labelled or not.")],
    backend: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Run .edge and .onnx files on this; may be given again.  [default: .edge files on every one that runs "
            "here, .onnx files on onnxruntime]",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        list[PrecisionName] | None,
        typer.Option(help="Graphs of .edge files to run; may be given again.  [default: all]", show_default=False),
    ] = None,
    max_difference: Annotated[
        float,
        typer.Option(min=0.0, metavar="X", help="Between FP32 executables, of the reference's largest value."),
    ] = 1e-3,
    min_cosine: Annotated[
        float | None,
        typer.Option(
            min=-1.0,
            max=1.0,
            metavar="X",
            help="Of every output of other executables, mean over frames.  [default: 0.99, where no --max-drop is given]",
            show_default=False,
        ),
    ] = None,
    max_drop: Annotated[
        str | None,
        typer.Option(
            metavar="X",
            help="Of the metric, or of agreement without labels: points (1) or of the reference (99%); judged as by "
            "build-engine.",
        ),
    ] = None,
    max_frames: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Use so many, drawn from all groups and classes in turn.")
    ] = None,
    certify: Annotated[
        bool, typer.Option("--certify", help="Keep a result that passes in the one .edge file among FILE...")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.json", help="Write the JSON document there as well.")
    ] = None,
    label_column: LabelColumn = None,
    group_column: GroupColumn = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of --max-frames, and of the resamples.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Replace --out; with --certify, drop the signature of a signed file.")
    ] = False,
    allow_unsigned: AllowUnsigned = False,
    threads: Threads = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run the same frames through several executables and hold their outputs and answers against a reference's.

    An .edge file counts as many as it has graphs and backends that run here. The reference is the first checkpoint
    (PyTorch), else the first file (of an .edge file its float graph on ONNX Runtime). FP32 executables have to give the
    same outputs but for roundings, others similar ones, or as good answers with --max-drop. Exit code 3 where one does
    not. Only groups unseen in training, validation and calibration are used.

    \b
    edgeneuro compare runs/lung lung.edge --data us_lung_pocus
    edgeneuro compare lung.edge --data us_lung_pocus --precision int8 --backend openvino --max-drop 5
    edgeneuro compare float.onnx quantised.onnx --data arrays/ --min-cosine 0.999
    edgeneuro compare runs/lung lung.edge --data us_lung_pocus --certify
    """
    from edgeneuro.benchmarks.compare.certificate import bundle_to_certify
    from edgeneuro.benchmarks.compare.certificate import certify as keep
    from edgeneuro.benchmarks.compare.opened import Choice
    from edgeneuro.benchmarks.compare.records import Limits
    from edgeneuro.benchmarks.compare.run import compare
    from edgeneuro.benchmarks.compare.show import show_comparison
    from edgeneuro.benchmarks.compare.verdict import MIN_COSINE, require_pass
    from edgeneuro.cli.options import err, out, print_json, tracked
    from edgeneuro.data import open_data
    from edgeneuro.export.gate import parse_margin
    from edgeneuro.files import refuse_existing, write_json
    from edgeneuro.records import to_json

    def say(text: str) -> None:
        if not quiet:
            err().print(text, soft_wrap=True)

    if max_drop is not None:
        parse_margin(max_drop)
    if report is not None:
        refuse_existing(report, force=force)
    engine = bundle_to_certify(files, force=force) if certify else None
    done = compare(
        files,
        open_data(data, label_column=label_column, group_column=group_column),
        limits=Limits(
            max_difference=max_difference,
            min_cosine=MIN_COSINE if min_cosine is None and max_drop is None else min_cosine,
            max_drop=max_drop,
        ),
        choice=Choice(
            backends=tuple(dict.fromkeys(backend or ())),
            precisions=tuple(name.value for name in precision or ()),
            threads=threads,
            allow_unsigned=allow_unsigned,
        ),
        max_frames=max_frames,
        seed=seed,
        track=tracked("frames", quiet=quiet),
    )
    if as_json:
        print_json(to_json(done))
    else:
        show_comparison(done, out())
    if report is not None:
        write_json(report, to_json(done))
        say(f"wrote {report}")
    require_pass(done)
    if engine is not None:
        keep(engine, done)
        say(f"wrote {engine}, certified")
