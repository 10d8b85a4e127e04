"""edgeneuro distil: a checkpoint that learnt from another network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeneuro.cli.options import Force, GroupColumn, Json, Keep, LabelColumn, Quiet, Threads, err, out, print_json
from edgeneuro.errors import UsageError

if TYPE_CHECKING:
    from edgeneuro.export.distil.pairs import Asked
    from edgeneuro.training.fit import TrainResult

Teacher = Annotated[
    str,
    typer.Option(metavar="CKPT|MODEL|FILE.onnx", help="Checkpoint, model with packaged weights or file to learn from."),
]
Student = Annotated[
    str, typer.Option(metavar="MODEL|CKPT", help="Model to train with fresh weights, or a checkpoint to train on.")
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="SRC", help="phantom, a registered name or a folder.  [default: the checkpoint's, or teacher's]"
    ),
]
Unlabelled = Annotated[
    list[str] | None,
    typer.Option(metavar="SRC", help="More frames to learn from, labelled by the teacher alone; repeatable."),
]
Temperature = Annotated[float, typer.Option(metavar="T", help="Of the soft targets; higher is softer.")]
SoftWeight = Annotated[
    float, typer.Option(min=0.0, max=1.0, metavar="SHARE", help="Of the soft targets; the labels have the rest.")
]
HintWeight = Annotated[float, typer.Option(min=0.0, metavar="WEIGHT", help="Of the difference of feature maps.")]
AttentionWeight = Annotated[float, typer.Option(min=0.0, metavar="WEIGHT", help="Of the difference of attention maps.")]
Hint = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STUDENT=TEACHER",
        help="Layers whose feature maps are compared; repeatable.  [default: auto, the last of each]",
    ),
]
Attention = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STUDENT=TEACHER",
        help="Layers whose attention is compared; repeatable.  [default: auto, the last of each resolution]",
    ),
]
Preprocess = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="What an .onnx teacher does not say of itself.")
]
Initial = Annotated[
    str | None,
    typer.Option(metavar="WEIGHTS", help="Of a MODEL: imagenet where it has some, or a checkpoint of the same model."),
]
Crop = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", help="Show cut-outs of this share of the area or more.  [default: 1; the checkpoint's]"
    ),
]
Mixing = Annotated[
    float,
    typer.Option(min=0.0, max=1.0, metavar="SHARE", help="Of the frames, blended with another; not labelled then."),
]
Fold = Annotated[
    int | None, typer.Option(min=0, metavar="K", help="Fold that is the test part.  [default: the teacher's]")
]
Epochs = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Most epochs to train.  [default: 120; from a checkpoint 30]")
]
Patience = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Stop after this many epochs without a better macro-F1.  [default: 30; from a checkpoint never]",
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(metavar="RATE", help="After warm-up.  [default: the model's; from a checkpoint half of it]"),
]
BatchSize = Annotated[
    int | None, typer.Option(min=2, metavar="N", help="Frames a step.  [default: 32; the checkpoint's]")
]
ImageSize = Annotated[
    int | None,
    typer.Option(metavar="PX", help="Side of the student's input.  [default: the model's, or checkpoint's]"),
]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Of order, augmentation, fresh weights and their split.  [default: the teacher's; from a checkpoint 0]",
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="Of the builder of a MODEL, e.g. attention=none; repeatable."),
]
Folder = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Checkpoint folder to write.  [default: runs/MODEL-taught; CKPT-taught]"),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a killed run stopped; start where there is none.")]


def command(
    teacher: Teacher,
    student: Student,
    data: Data = None,
    unlabelled: Unlabelled = None,
    temperature: Temperature = 4.0,
    soft_weight: SoftWeight = 0.7,
    hint_weight: HintWeight = 0.0,
    attention_weight: AttentionWeight = 0.0,
    hint: Hint = None,
    attention: Attention = None,
    preprocess: Preprocess = None,
    initial: Initial = None,
    crop: Crop = None,
    mixing: Mixing = 0.0,
    keep: Keep = None,
    fold: Fold = None,
    epochs: Epochs = None,
    patience: Patience = None,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    image_size: ImageSize = None,
    seed: Seed = None,
    option: Options = None,
    label_column: LabelColumn = None,
    group_column: GroupColumn = None,
    folder: Folder = None,
    resume: Resume = False,
    force: Force = False,
    threads: Threads = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a small network with what a large one makes of the same frames.

    The student learns from the labels and from the teacher's probabilities, with --hint-weight and --attention-weight
    also from its feature maps. Both see every frame turned and brightened alike. On a small set try --crop 0.35 --mixing 1
    and many epochs: the teacher's answers to such views need no labels. The result is a checkpoint like any
    other; nothing of the teacher is left in it. A teacher that has learnt from the student's validation or test groups is
    refused: teacher and student need the same fold and seed.

    \b
    edgeneuro train efficientnet-lite0 --data us_lung_pocus --initial imagenet --out runs/large
    edgeneuro distil --teacher runs/large --student myositis --out runs/taught
    edgeneuro distil --teacher runs/large --student runs/lung-quarter --unlabelled frames/ --attention-weight 1
    edgeneuro distil --teacher net.onnx --student myositis --data folder/ --soft-weight 0 --hint-weight 1 --hint auto
    """
    from edgeneuro.cli.named import parse_option
    from edgeneuro.cli.train_output import shown
    from edgeneuro.export.distil.run import distil
    from edgeneuro.export.distil.settings import DistilSettings
    from edgeneuro.export.file_options import NOTHING_SAID, read_options

    if resume and force:
        raise UsageError("--resume and --force: got both, expected one; --force throws away what --resume needs")
    settings = DistilSettings(
        temperature=temperature,
        soft_weight=soft_weight,
        hint_weight=hint_weight,
        attention_weight=attention_weight,
        hints=asked_pairs("--hint", hint, hint_weight),
        attention=asked_pairs("--attention", attention, attention_weight),
        unlabelled=tuple(unlabelled or ()),
        teacher_options=read_options(preprocess) if preprocess else NOTHING_SAID,
        data=data,
        label_column=label_column,
        group_column=group_column,
        fold=fold,
        seed=seed,
        epochs=epochs,
        patience=patience,
        batch_size=batch_size,
        image_size=image_size,
        learning_rate=learning_rate,
        initial=initial,
        crop=crop,
        mixing=mixing,
        keep=keep.value if keep else "best",
        options=dict(map(parse_option, option or ())),
    )
    with shown(quiet) as progress:
        result = distil(
            teacher,
            student,
            folder or default_folder(student),
            settings,
            resume=resume,
            force=force,
            threads=threads,
            progress=progress,
            step=lambda text: None if quiet else err().print(f"{text} ...", soft_wrap=True),
        )
    if as_json:
        print_json(summary(result))
    else:
        out().print(line(result), soft_wrap=True)


def asked_pairs(option: str, texts: list[str] | None, weight: float) -> Asked:
    """What --hint and --attention say. Raises UsageError for what is no pair, and for pairs without weight."""
    from edgeneuro.export.distil.pairs import parse_pair

    if texts and not weight:
        raise UsageError(f"{option}: counts for nothing without {option}-weight; give that too, e.g. 1")
    if not texts or texts == ["auto"]:
        return "auto"
    return tuple(parse_pair(option, text) for text in texts)


def default_folder(student: str) -> Path:
    """Beside a checkpoint, else among the runs."""
    path = Path(student)
    return path.with_name(f"{path.resolve().name}-taught") if path.is_dir() else Path("runs") / f"{student}-taught"


def summary(result: TrainResult) -> dict[str, Any]:
    """For programs, as docs/schemas/distil.schema.json."""
    from edgeneuro.cli.train_output import summary as of_training

    return {
        **of_training(result),
        "taught": dict(result.config.taught),
        "teacher": result.metrics["teacher"],
        "operations": result.metrics["operations"],
    }


def line(result: TrainResult) -> str:
    """For people: student and teacher on the same frames, and what each of them costs."""
    from edgeneuro.cli.train_output import tested, with_interval

    config, metrics = result.config, result.metrics
    teacher, macs = metrics["teacher"], {who: cost["macs"] for who, cost in metrics["operations"].items()}
    before = f", {metrics['before']['test']['interval']['value']:.3f} before training" if "before" in metrics else ""
    scored = "no score, its classes are not known" if teacher["test"] is None else with_interval(teacher["test"])
    unknown = "" if teacher["unseen"] else ", which may have learnt from these frames"
    return (
        f"{result.folder}: {config.model} taught by {teacher['model']}, best epoch {config.best_epoch + 1}; "
        f"{metrics['test']['primary_metric'].replace('_', ' ')} on {tested(result)}: student "
        f"{with_interval(metrics['test'])}{before}, {macs['student']:,} multiply-accumulates "
        f"({macs['student'] / macs['teacher']:.1%} of the teacher's); teacher {scored}, {macs['teacher']:,}{unknown}"
    )
