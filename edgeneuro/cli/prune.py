"""edgeneuro prune: a smaller checkpoint from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeneuro.cli.options import Force, GroupColumn, Json, LabelColumn, Quiet, Threads, err, out, print_json
from edgeneuro.errors import UsageError

if TYPE_CHECKING:
    from edgeneuro.export.prune.masks import MaskSettings
    from edgeneuro.export.prune.settings import CutSettings
    from edgeneuro.training.fit import TrainResult

Source = Annotated[
    str, typer.Argument(metavar="CKPT|MODEL", help="A checkpoint folder, or a reference model with packaged weights.")
]
TargetMacs = Annotated[
    float | None,
    typer.Option(metavar="FRACTION", help="Multiply-accumulates to keep, of the unpruned model; channels are removed."),
]
Importance = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What decides which channels go: group, magnitude, batch-norm or taylor.  [default: group]",
    ),
]
RoundTo = Annotated[
    int | None, typer.Option(metavar="N", help="Widths stay multiples of it: 1, 4, 8, 16 or 32.  [default: 8]")
]
Keep = Annotated[
    list[str] | None,
    typer.Option(metavar="LAYER", help="Take no channel from this layer, or from any inside it; repeatable."),
]
Strength = Annotated[
    list[str] | None,
    typer.Option(metavar="LAYER=FACTOR", help="Take a larger or smaller share of channels there; repeatable."),
]
Remove = Annotated[
    list[str] | None,
    typer.Option(metavar="BLOCK", help="Leave out a whole block whose input is added to its output; repeatable."),
]
Rounds = Annotated[
    int, typer.Option(min=1, metavar="N", help="Cut and train so many times, the same share of what is left each time.")
]
LowRank = Annotated[
    float | None,
    typer.Option(metavar="ENERGY", help="Divide large linear layers in two that keep this share of their energy."),
]
Sparsity = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="Set this share of the weights to zero instead; the shapes stay."),
]
Pattern = Annotated[
    str | None,
    typer.Option(metavar="2:4", help="Set two of every four weights to zero instead, for TensorRT's sparse kernels."),
]
Epochs = Annotated[int | None, typer.Option(min=1, metavar="N", help="Most epochs of each round.  [default: 30]")]
Patience = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="End a round after this many epochs without a better macro-F1.  [default: never]",
    ),
]
BatchSize = Annotated[int | None, typer.Option(min=2, metavar="N", help="Frames a step.  [default: the checkpoint's]")]
LearningRate = Annotated[
    float | None, typer.Option(metavar="RATE", help="After warm-up.  [default: half of the model's]")
]
Data = Annotated[
    str | None, typer.Option(metavar="SRC", help="Where the checkpoint's data lie now.  [default: where it says]")
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Of order, augmentation and the frames of taylor.")]
Folder = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Checkpoint folder to write.  [default: CKPT-pruned]")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where a killed run stopped, in any round; start where there is none.")
]


def command(
    source: Source,
    target_macs: TargetMacs = None,
    importance: Importance = None,
    round_to: RoundTo = None,
    keep: Keep = None,
    strength: Strength = None,
    remove: Remove = None,
    rounds: Rounds = 1,
    low_rank: LowRank = None,
    sparsity: Sparsity = None,
    pattern: Pattern = None,
    epochs: Epochs = None,
    patience: Patience = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    data: Data = None,
    label_column: LabelColumn = None,
    group_column: GroupColumn = None,
    seed: Seed = 0,
    folder: Folder = None,
    resume: Resume = False,
    force: Force = False,
    threads: Threads = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make a trained network smaller, and train what is left.

    Channels that matter least are removed together with everything that depends on them, so that the result is a plain
    network of fewer operations: a checkpoint like any other. Data and split are the checkpoint's. With --rounds every
    round is kept, in DIR/rounds/1, 2, ...; interrupted or killed, it goes on with --resume.

    --low-rank goes with --target-macs or alone. --sparsity and --pattern set single weights to zero, which no dense
    kernel is faster for.

    \b
    edgeneuro prune runs/lung --target-macs 0.25 --out runs/lung-quarter
    edgeneuro prune runs/lung --target-macs 0.1 --rounds 3 --importance taylor --keep blocks.0 --out runs/lung-tenth
    edgeneuro prune runs/lung --pattern 2:4 --out runs/lung-sparse
    """
    if resume and force:
        raise UsageError("--resume and --force: got both, expected one; --force throws away what --resume needs")
    given = {
        "importance": importance,
        "round_to": round_to,
        "keep": tuple(keep) if keep else None,
        "strength": dict(map(parse_strength, strength)) if strength else None,
        "removed": tuple(remove) if remove else None,
    }
    training = {
        "epochs": epochs,
        "patience": patience,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "data": data,
        "label_column": label_column,
        "group_column": group_column,
    }
    how = what_to_take(target_macs, sparsity, pattern, _set(given))
    from edgeneuro.cli.train_output import shown
    from edgeneuro.export.prune.run import PruneSettings, prune
    from edgeneuro.models import MODELS
    from edgeneuro.training.checkpoint import packaged

    named = source in MODELS and not Path(source).is_dir()
    checkpoint = packaged(source) if named else Path(source)
    beside = Path("runs") / source if named else checkpoint.with_name(checkpoint.resolve().name)
    place = folder or beside.with_name(f"{beside.name}-pruned")
    settings = PruneSettings(how=how, low_rank=low_rank, rounds=rounds, seed=seed, **_set(training))
    with shown(quiet) as progress:
        result = prune(
            checkpoint,
            place,
            settings,
            resume=resume,
            force=force,
            threads=threads,
            progress=progress,
            step=lambda text: None if quiet else err().print(f"{text} ...", soft_wrap=True),
        )
    found = summary(checkpoint, result, rounds)
    if as_json:
        print_json(found)
    else:
        out().print(line(found), soft_wrap=True)


def what_to_take(
    target_macs: float | None, sparsity: float | None, pattern: Any, given: dict[str, Any]
) -> CutSettings | MaskSettings | None:
    """given: options of --target-macs that were set. Raises UsageError for those that do not go together."""
    from edgeneuro.export.prune.masks import MaskSettings
    from edgeneuro.export.prune.settings import CutSettings

    masks = sparsity is not None or pattern is not None
    if masks and target_macs is not None:
        raise UsageError(
            "--target-macs: goes with neither --sparsity nor --pattern; remove channels first, then mask the result"
        )
    if target_macs is not None:
        return CutSettings(target_macs=target_macs, **given)
    allowed = ("keep",) if masks else ()
    for name in given:
        if name not in allowed:
            shown = {"removed": "remove"}.get(name, name).replace("_", "-")
            raise UsageError(f"--{shown}: is for --target-macs, which takes channels and blocks away")
    return MaskSettings(sparsity=sparsity, pattern=pattern, **given) if masks else None


def parse_strength(text: str) -> tuple[str, float]:
    """("blocks.4", 0.5) from "blocks.4=0.5". Raises UsageError."""
    layer, _, factor = text.partition("=")
    try:
        return layer, float(factor)
    except ValueError as error:
        raise UsageError(f"--strength {text!r}: expected LAYER=FACTOR, e.g. blocks.4=0.5") from error


def _set(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def summary(checkpoint: Path, result: TrainResult, rounds: int) -> dict[str, Any]:
    """For programs, as docs/schemas/prune.schema.json: what was taken away and what that cost, round by round."""
    from edgeneuro.cli.train_output import summary as of_training
    from edgeneuro.export.prune.rounds import round_folder
    from edgeneuro.training.checkpoint import read_metrics

    start = read_metrics(checkpoint)
    start = start.get("stored", start)  # a checkpoint trained with rounding: the float network is what was cut
    folders = [round_folder(result.folder, number, rounds) for number in range(1, rounds + 1)]
    every = [(folder, read_metrics(folder)) for folder in folders]
    return {
        **of_training(result),
        "start": {name: start[name] for name in ("validation", "test") if name in start},
        **{name: result.metrics[name] for name in ("masks",) if name in result.metrics},
        "rounds": [
            {
                "checkpoint": str(folder),
                **({"pruned": metrics["pruned"]} if "pruned" in metrics else {}),
                "before": metrics["before"],
                "validation": metrics["validation"],
                "test": metrics["test"],
            }
            for folder, metrics in every
        ],
        "wall_s": sum(metrics["wall_s"] for _, metrics in every),
    }


def line(found: dict[str, Any]) -> str:
    """For people. found: of `summary`."""
    first, last = found["rounds"][0], found["rounds"][-1]
    test = found["test"]
    interval, metric = test["interval"], test["primary_metric"].replace("_", " ")
    before = f"{found['start']['test']['interval']['value']:.3f} before, " if "test" in found["start"] else ""
    cuts = f"the last of {len(found['rounds'])} cuts" if len(found["rounds"]) > 1 else "it"
    return (
        f"{found['checkpoint']}: {found['model']}, {_smaller(found, first, last)}; {metric} {before}"
        f"{last['before']['test']['interval']['value']:.3f} after {cuts}, {interval['value']:.3f} "
        f"({interval['low']:.3f} to {interval['high']:.3f}) after training, on {test['frames']} frames of "
        f"{test['groups']} groups, fold {found['fold']}"
    )


def _smaller(found: dict[str, Any], first: dict[str, Any], last: dict[str, Any]) -> str:
    if "masks" in found:
        return f"{found['masks']['share']:.1%} of its parameters zero ({found['masks']['speed']})"
    begun, ended = first["pruned"], last["pruned"]
    return (
        f"{begun['macs'][0]:,} -> {ended['macs'][1]:,} multiply-accumulates "
        f"({ended['macs'][1] / ended['unpruned_macs']:.3f} of the unpruned model), "
        f"{begun['params'][0]:,} -> {ended['params'][1]:,} parameters"
    )
