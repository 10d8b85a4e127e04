"""edgeneuro train: a checkpoint from labelled frames, or from another checkpoint."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeneuro.cli.named import drawing_settings, mask_settings, parse_option, self_cure_settings, siamese_settings
from edgeneuro.cli.options import Force, GroupColumn, Json, Keep, LabelColumn, Quiet, Threads, err, out, print_json
from edgeneuro.cli.train_output import line, shown, summary
from edgeneuro.errors import UsageError


class Imaging(str, Enum):
    """How frames were taken."""

    ULTRASOUND = "ultrasound"
    PHOTOGRAPH = "photograph"
    NEURON = "neuron"


class Seeding(str, Enum):
    """What the first round learns from beside the labels."""

    MANUAL = "manual"
    FILTER = "filter"
    DARK_FILTER = "filter-dark"


class Precision(str, Enum):
    """What a network multiplies in while it learns."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class Protocol(str, Enum):
    """How frames are divided."""

    GROUPED = "grouped"
    LEAKY = "leaky"


def command(
    model: Annotated[
        str,
        typer.Argument(
            help="Model to train: myositis, myositis-dual, skin, morphology, segmentation-2d, segmentation-3d, v1-mlp, v1-cnn2d, v1-cnn3d, mobilenet-v2, resnet18 or efficientnet-lite0.",
            metavar="MODEL",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="phantom, a registered name, a folder or a session.  [default: phantom; the model's]",
            metavar="SRC",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Checkpoint folder to write.  [default: runs/MODEL; CKPT-qat]", metavar="DIR"),
    ] = None,
    fold: Annotated[
        int | None, typer.Option("--fold", help="Fold that is the test part.  [default: 0]", metavar="K")
    ] = None,
    protocol: Annotated[
        Protocol | None,
        typer.Option(
            "--protocol",
            help="leaky divides frames, not groups: only to compare with papers.  [default: grouped]",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs", help="Most epochs to train.  [default: 120, for v1-* 60; from a checkpoint 5]", metavar="N"
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience",
            help="Stop after this many epochs without a better macro-F1, for skin a smaller loss, for segmentation a better Dice.  "
            "[default: 30; from a checkpoint never]",
            metavar="N",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            help="Frames a step, for skin pairs, for segmentation crops.  [default: 32, for v1-* 128; the checkpoint's]",
            metavar="N",
        ),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option("--image-size", help="Side of the input in px.  [default: the model's]", metavar="PX")
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option("--depth", help="Planes of the input, for segmentation-3d.  [default: the model's]", metavar="N"),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate",
            help="After warm-up.  [default: the model's; from a checkpoint a twentieth of it]",
            metavar="RATE",
        ),
    ] = None,
    initial: Annotated[
        str | None,
        typer.Option(
            "--initial",
            help="Start from these weights: imagenet where the model has some, a checkpoint of the same model, or ImageNet "
            "weights in a .safetensors file (resnet18, morphology).",
            metavar="WEIGHTS",
        ),
    ] = None,
    crop: Annotated[
        float | None,
        typer.Option(
            "--crop",
            help="Show cut-outs of the frames, this share of the area or more.  [default: 1, whole frames]",
            metavar="SHARE",
        ),
    ] = None,
    training_share: Annotated[
        float | None,
        typer.Option(
            "--training-share",
            help="Learn from this share of the training groups, for learning curves.  [default: 1, all]",
            metavar="SHARE",
        ),
    ] = None,
    keep: Keep = None,
    channels: Annotated[
        int | None,
        typer.Option("--channels", help="1: frames in grey, 3: in colour.  [default: the model's]", metavar="N"),
    ] = None,
    augmentation: Annotated[
        Imaging | None,
        typer.Option(
            "--augmentation",
            help="What epochs may change: ultrasound keeps depth pointing down, photograph has no side that is up, neuron is "
            "drawn from all sides.  [default: the model's]",
            show_default=False,
        ),
    ] = None,
    siamese: Annotated[
        list[str] | None,
        typer.Option(
            "--siamese",
            help="Of training on pairs, e.g. gamma=0, shared=true, pairs=false; repeatable; docs/skin.md has all.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    self_cure: Annotated[
        list[str] | None,
        typer.Option(
            "--self-cure",
            help="Of weighing samples, e.g. margin=0.1, relabel_margin=0.2, weights=false; repeatable; docs/morphology.md "
            "has all.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    masks: Annotated[
        list[str] | None,
        typer.Option(
            "--masks",
            help="Of training on crops with masks: foreground_share, manual_share, centreline_weight, e.g. centreline_weight=0.3; "
            "repeatable.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    drawing: Annotated[
        list[str] | None,
        typer.Option(
            "--drawing",
            help="Of neurons, e.g. view=xyz, variant=raw; repeatable; docs/morphology.md has all.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(
            "--precision",
            help="bfloat16 (mixed) is faster for large networks on GPUs and on processors with AVX-512 BF16 or AMX.  [default: float32]",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of split, weights, order and augmentation.", metavar="N")] = 0,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="Of the model's builder, e.g. attention=none; repeatable.", metavar="NAME=VALUE"),
    ] = None,
    label_column: LabelColumn = None,
    group_column: GroupColumn = None,
    qat: Annotated[
        Path | None,
        typer.Option("--qat", help="Train this checkpoint on, rounded as INT8 will round it.", metavar="CKPT"),
    ] = None,
    finetune: Annotated[
        Path | None,
        typer.Option(
            "--finetune", help="Train this checkpoint on in float: what to compare --qat with.", metavar="CKPT"
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            help="With --qat, whose rounding: onnxruntime, onnxruntime-arm, openvino, tensorrt.  [default: onnxruntime]",
            metavar="NAME",
        ),
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool",
            help="Unlabelled frames to learn from in rounds, for segmentation: a name or a folder.",
            metavar="SRC",
        ),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option("--rounds", help="With --pool, at most so many.  [default: 5]", metavar="N")
    ] = None,
    round_epochs: Annotated[
        int | None,
        typer.Option("--round-epochs", help="With --pool, of every round after the first.  [default: 40]", metavar="N"),
    ] = None,
    seed_with: Annotated[
        Seeding | None,
        typer.Option(
            "--seed-with",
            help="With --pool, what round 1 learns from beside the labels: filter, what looks like a bright tube; filter-dark, like a dark one.  "
            "[default: manual, nothing]",
            show_default=False,
        ),
    ] = None,
    review: Annotated[
        int | None,
        typer.Option(
            "--review",
            help="With --pool, stop after each round with the K least certain frames and their masks to correct; --resume goes on.  "
            "[default: 0]",
            metavar="K",
        ),
    ] = None,
    last_from_scratch: Annotated[
        bool,
        typer.Option(
            "--last-from-scratch",
            help="With --pool, start the last round from fresh weights, not from those before it.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a killed run stopped; start where there is none.")
    ] = False,
    force: Force = False,
    threads: Threads = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a reference model on labelled frames.

    Writes model.safetensors, config.json, metrics.json and split.json. No patient, video or lesion is on both sides
    of the split. Interrupted or killed, it goes on with --resume.

    With --qat also ranges.json: build-engine CKPT --int8 then takes those ranges in place of calibration.

    \b
    edgeneuro train myositis --data folder/ --image-size 112 --out runs/mine
    edgeneuro train myositis --data folder/ --image-size 112 --out runs/mine --resume
    edgeneuro train myositis --qat runs/mine --epochs 5 --out runs/mine-qat
    edgeneuro train segmentation-2d --data few/ --pool unlabelled/ --rounds 5 --out runs/weak
    """
    if resume and force:
        raise UsageError("--resume and --force: got both, expected one; --force throws away what --resume needs")
    given: dict[str, Any] = {
        "data": data,
        "label_column": label_column,
        "group_column": group_column,
        "protocol": protocol.value if protocol else None,
        "fold": fold,
        "seed": seed,
        "epochs": epochs,
        "patience": patience,
        "batch_size": batch_size,
        "image_size": image_size,
        "depth": depth,
        "learning_rate": learning_rate,
        "initial": initial,
        "crop": crop,
        "training_share": training_share,
        "keep": keep.value if keep else None,
        "channels": channels,
        "augmentation": augmentation.value if augmentation else None,
        "siamese": siamese_settings(siamese) if siamese else None,
        "self_cure": self_cure_settings(self_cure) if self_cure else None,
        "masks": mask_settings(masks) if masks else None,
        "drawing": drawing_settings(drawing) if drawing else None,
        "precision": precision.value if precision else None,
        "options": dict(map(parse_option, option)) if option else None,
    }
    checkpoint = starting_checkpoint(qat, finetune, target, given)
    rest: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    how: dict[str, Any] = {"resume": resume, "force": force, "threads": threads}
    of_rounds = {
        "rounds": rounds,
        "round_epochs": round_epochs,
        "seed_with": seed_with,
        "review": review,
        "last_from_scratch": last_from_scratch or None,
    }
    stray = next((name for name, value in of_rounds.items() if value is not None and pool is None), None)
    if stray or (pool and checkpoint):
        named = f"--{(stray or 'pool').replace('_', '-')}"
        raise UsageError(f"{named}: is for training in rounds, with --pool and without --qat or --finetune")
    if pool is not None:
        from edgeneuro.cli.in_rounds import in_rounds, review_summary
        from edgeneuro.training.weak.rounds import Review

        with shown(quiet) as progress:
            done = in_rounds(model, rest, pool, folder or Path("runs") / model, of_rounds, progress=progress, **how)
        if isinstance(done, Review):
            if as_json:
                print_json(review_summary(done))
            else:
                out().print(
                    f"{done.folder}: correct {done.blocks} masks, save them in {done.folder / 'corrected'}, and give --resume",
                    soft_wrap=True,
                )
            return
        result = done
    elif checkpoint is None:
        from edgeneuro.training.fit import train
        from edgeneuro.training.settings import TrainSettings

        settings = TrainSettings.of(model, **rest)
        with shown(quiet) as progress:
            result = train(settings, folder or Path("runs") / model, progress=progress, **how)
    else:
        from edgeneuro.export.qat import QatSettings, train_qat

        whose = (target or "onnxruntime") if qat else None
        place = folder or checkpoint.with_name(f"{checkpoint.resolve().name}-{'qat' if qat else 'finetuned'}")
        with shown(quiet) as progress:
            result = train_qat(
                checkpoint,
                place,
                QatSettings(target=whose, **rest),
                model=model,
                progress=progress,
                step=lambda text: None if quiet else err().print(f"{text} ...", soft_wrap=True),
                **how,
            )
    if as_json:
        print_json(summary(result))
    else:
        out().print(line(result), soft_wrap=True)


def starting_checkpoint(
    qat: Path | None, finetune: Path | None, target: str | None, given: dict[str, Any]
) -> Path | None:
    """The folder to go on from, None to start afresh. Raises UsageError for options that it decides itself."""
    if qat and finetune:
        raise UsageError("--qat and --finetune: got both, expected one; run them one after the other and compare")
    if target and not qat:
        raise UsageError("--target: is for --qat, which rounds as that target does")
    if qat or finetune:
        own = (
            "protocol",
            "fold",
            "image_size",
            "depth",
            "initial",
            "crop",
            "training_share",
            "keep",
            "channels",
            "augmentation",
            "siamese",
            "self_cure",
            "masks",
            "drawing",
            "precision",
            "options",
        )
        for name in own:
            if given[name] is not None:
                shown = "--option" if name == "options" else "--" + name.replace("_", "-")
                raise UsageError(f"{shown}: is the checkpoint's own with --qat and --finetune; leave it out")
    return qat or finetune
