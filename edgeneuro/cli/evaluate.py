"""edgeneuro evaluate: accuracy with intervals, float beside INT8."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.cli.options import AllowUnsigned, GroupColumn, Json, LabelColumn, Quiet, Threads


def command(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="An .edge file, a checkpoint folder or an .onnx file.", show_default=False
        ),
    ],
    data: Annotated[
        str, typer.Option(metavar="SRC", help="phantom, a registered name or a folder of labelled frames.")
    ],
    by: Annotated[
        str | None,
        typer.Option(help="Column that puts frames together into exams, e.g. video_id, or group.", metavar="NAME"),
    ] = None,
    subgroup: Annotated[
        list[str] | None,
        typer.Option(
            help="Column by which frames are told apart, e.g. sex; may be given again.  [default: those the data names]",
            metavar="NAME",
        ),
    ] = None,
    no_subgroups: Annotated[bool, typer.Option("--no-subgroups", help="Only the whole.")] = False,
    label_column: LabelColumn = None,
    group_column: GroupColumn = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the resamples behind the intervals.")] = 0,
    allow_unsigned: AllowUnsigned = False,
    threads: Threads = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure accuracy with 95 % intervals, on groups the model has never seen.

    Groups that training, validation or calibration used are left out and counted. An .edge file is measured in
    every precision it holds, paired frame by frame. Classifiers: accuracy, recall of every class, area under the ROC
    curve, sensitivity at 90 % specificity, calibration error. Segmentations: Dice and IoU. Where the data say more of
    a frame (scanner, sex, age), the primary metric is also given by subgroup.

    \b
    edgeneuro evaluate lung.edge --data us_lung_pocus --by video_id
    edgeneuro evaluate skin.edge --data skin_ham10000 --subgroup age --subgroup sex
    edgeneuro evaluate runs/lung --data us_lung_pocus --json
    """
    from edgeneuro.benchmarks.accuracy import evaluate
    from edgeneuro.benchmarks.predictors import open_predictor
    from edgeneuro.benchmarks.show import show_evaluation
    from edgeneuro.cli.options import err, out, print_json, tracked
    from edgeneuro.data import open_data
    from edgeneuro.errors import UsageError

    if subgroup and no_subgroups:
        raise UsageError("--no-subgroups: contradicts --subgroup; give one of them")
    columns = () if no_subgroups else subgroup or None
    with open_predictor(model, threads=threads, allow_unsigned=allow_unsigned) as predictor:
        dataset = open_data(data, label_column=label_column, group_column=group_column)
        done = evaluate(predictor, dataset, by=by, subgroups=columns, seed=seed, track=tracked("frames", quiet=quiet))
    if as_json:
        print_json(done.document())
        for note in () if quiet else done.notes:
            err().print(f"note: {note}", soft_wrap=True)
    else:
        show_evaluation(done, out())
