"""Training a model of the table from start to checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgeneuro.data import DataSet, open_data
from edgeneuro.drawing import Drawing
from edgeneuro.errors import UsageError
from edgeneuro.manifest import DataIdentity
from edgeneuro.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from edgeneuro.records import to_json
from edgeneuro.training.checkpoint import CONFIG, CheckpointConfig, read_metrics, write_checkpoint
from edgeneuro.training.frames import Frames, TrainingData, normalised_for
from edgeneuro.training.initial import is_weights_file
from edgeneuro.training.keeper import Keeper, OnProgress
from edgeneuro.training.lesson import Lesson
from edgeneuro.training.reading import read_run
from edgeneuro.training.recipe import classifier_of, fresh, learner_of, training_data
from edgeneuro.training.run import (
    NO_TEACHER,
    STATE,
    Run,
    finished_config,
    new_run,
    part_of,
    prepare_folder,
    resumed_run,
)
from edgeneuro.training.score import score
from edgeneuro.training.settings import TrainSettings, with_recipe
from edgeneuro.training.start import Start
from edgeneuro.training.teaching import Teaching, class_order
from edgeneuro.training.trainer import fit, hardware, torch_threads

TOOLS = ("edgeneuro", "torch", "lightning", "numpy", "opencv-python-headless")


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """A finished checkpoint. metrics: what metrics.json holds."""

    folder: Path
    config: CheckpointConfig
    metrics: dict[str, Any]


def train(
    settings: TrainSettings,
    out: Path,
    *,
    start: Start | None = None,
    teaching: Teaching | None = None,
    resume: bool = False,
    force: bool = False,
    threads: int | None = None,
    devices: int | str = "auto",
    progress: OnProgress = lambda _: None,
) -> TrainResult:
    """Train, test and write a checkpoint to the folder `out`.

    start: a checkpoint to go on from, with its split and preprocessing; fresh weights and a new split where None.
    teaching: a teacher to learn from beside the labels.
    resume: go on from what a killed or interrupted run left in `out`, at the end of its last whole epoch; start where
    it left nothing; return at once where it had finished. On the CPU with as many threads the weights are those of an
    uninterrupted run, bit for bit. force: start afresh in a folder that holds files; those of a checkpoint are
    replaced at the end. threads: of torch, its own choice where None. devices: as Lightning's trainer takes them.
    progress: called after every frame read, batch and epoch.

    metrics.json: `history` (rows of EpochRow), `best_epoch`, `validation` and `test` (FrameScores, of the best epoch's
    weights), `wall_s` (sum over epochs), `hardware`. With `start` also `made_from`, `before` (scores of what is trained,
    before the first epoch), `stored` (scores of the network that is written, where that is another) and what
    start.prepare adds. With `teaching` the training loss of `history` is the lesson's, and `lesson` holds each of its
    terms, epoch by epoch, before it is weighted. From pairs also `branches`: Branches, the number of the one that is `kept`,
    and scores of either and of their `average`; the kept one is what is written, and what `validation` and `test` are of.
    Where samples were weighed also `self_cure`: Cured. With label noise `mislabelled`, the numbers of those training frames.

    Raises DataError, FrameError, OutputError, CheckpointError (resuming a run with other settings or data), UsageError (a
    teacher of other classes, a layer that is not there);
    KeyboardInterrupt passes through and leaves what `resume` needs.
    """
    settings = with_recipe(settings, alone=start is None and teaching is None)
    state, taught = out / STATE, teaching.record() if teaching else NO_TEACHER
    if resume and (out / CONFIG).exists() and not state.exists():
        return TrainResult(folder=out, config=finished_config(settings, out, start, taught), metrics=read_metrics(out))
    prepare_folder(out, force=force, resume=resume)
    dataset = _drawn(
        open_data(settings.source, label_column=settings.label_column, group_column=settings.group_column),
        settings,
        start,
    )
    make = partial(resumed_run, state=state) if state.exists() else new_run
    run = make(settings, dataset, start=start, taught=taught)
    with torch_threads(threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return _train(run, dataset, out, start, teaching, devices, progress)


def _train(
    run: Run,
    dataset: DataSet,
    out: Path,
    start: Start | None,
    teaching: Teaching | None,
    devices: int | str,
    progress: OnProgress,
) -> TrainResult:
    settings, entry = run.settings, run.settings.entry
    parts = {part: part_of(dataset, run.split, part) for part in ("training", "validation", "test")}
    preprocess = Preprocess(
        height=settings.side_px,
        width=settings.side_px,
        channels=settings.input_channels,
        drawing=dataset.drawing if dataset.has_neurons else None,
    )
    order = class_order(teaching.teacher.classes, dataset.classes) if teaching and teaching.settings.soft_weight else ()
    read = read_run(
        dataset,
        run.split,
        parts,
        preprocess,
        teaching,
        progress,
        label_noise=settings.label_noise,
        seed=settings.seed,
    )
    frames = read.labelled
    preprocess = start.preprocess if start else _normalised(preprocess, settings, frames["training"])
    data = training_data(settings, read, preprocess, mixing=teaching.settings.mixing if teaching else 0.0)
    trainee, initial = (start.prepare(parts["training"], (out / STATE).parent), None) if start else fresh(run, dataset)
    network = trainee.network

    def scores(scored: nn.Module) -> dict[str, Any]:
        return {
            name: to_json(score(scored, frames[name], data.preprocess, dataset.classes, entry.primary_metric))
            for name in ("validation", "test")
        }

    metrics = {"made_from": to_json(run.made_from), "before": scores(network), **trainee.notes} if start else {}
    lesson = _lesson(teaching, network, data, order) if teaching else None
    network.train()
    learner = learner_of(
        network,
        settings,
        frames["training"].targets,
        dataset.classes,
        lesson=lesson,
        teacher=teaching.teacher if teaching else None,
    )
    keeper = Keeper(
        out / STATE,
        run=to_json(run),
        epochs=settings.epochs,
        patience=settings.patience,
        progress=progress,
        watch="last" if settings.keep == "last" else "validation_loss" if settings.siamese else "macro_f1",
    )
    trainer = fit(learner, data, keeper, devices=devices)

    assert keeper.best is not None
    network.load_state_dict(dict(keeper.weights))
    scored, notes = classifier_of(learner, settings, frames, data.preprocess, dataset.classes, scores)
    stored, ranges = trainee.finish(scored)
    metrics |= {
        "history": to_json(keeper.history),
        **({"lesson": learner.lesson_history} if lesson else {}),
        **(teaching.notes if teaching else {}),
        **notes,
        **({"mislabelled": _mislabelled(parts["training"], frames["training"])} if settings.label_noise else {}),
        "best_epoch": keeper.best.epoch,
        "wall_s": sum(row.seconds for row in keeper.history),
        "hardware": hardware(trainer),
        **scores(scored),
        **({"stored": scores(stored)} if stored is not scored else {}),
    }
    config = CheckpointConfig(
        model=settings.model,
        options=settings.options,
        classes=dataset.classes,
        channels=settings.input_channels,
        preprocess=data.preprocess,
        trained_on=DataIdentity.of(parts["training"]),
        protocol=settings.protocol,
        fold=settings.fold,
        seed=settings.seed,
        epochs=settings.epochs,
        patience=settings.patience,
        batch_size=settings.batch_size,
        learning_rate=settings.top_learning_rate,
        crop=settings.crop,
        training_share=settings.training_share,
        keep=settings.keep,
        augmentation=settings.imaging,
        siamese=settings.siamese,
        self_cure=settings.self_cure,
        label_noise=settings.label_noise,
        best_epoch=keeper.best.epoch,
        data=settings.source,
        label_column=settings.label_column,
        group_column=settings.group_column,
        made_from=run.made_from,
        ancestors=start.ancestors if start else (),
        taught=run.taught,
        surgery=trainee.surgery,
        initial=initial,
        tools={name: version(name) for name in TOOLS},
    )
    if trainer.is_global_zero:
        config = write_checkpoint(out, network=stored, config=config, metrics=metrics, split=run.split, ranges=ranges)
        keeper.forget()
    return TrainResult(folder=out, config=config, metrics=metrics)


def _drawn(dataset: DataSet, settings: TrainSettings, start: Start | None) -> DataSet:
    """With the pictures of neurons that the checkpoint wants, or the settings. Raises UsageError where either has no neurons."""
    if not dataset.has_neurons:
        if settings.drawing is not None:
            raise UsageError(f"--drawing: {dataset.name} holds frames, no neurons; leave it out")
        return dataset
    if start is None:
        return dataset.drawn_as(settings.drawing or Drawing(side_px=settings.side_px))
    if start.preprocess.drawing is None:
        raise UsageError(
            f"{dataset.name}: holds neurons, but the checkpoint was trained on frames; give --data of frames"
        )
    return dataset.drawn_as(start.preprocess.drawing)


def _mislabelled(training: DataSet, frames: Frames) -> list[int]:
    """Numbers of the training frames that learnt from another label than their own."""
    return [row for row, sample in enumerate(training.samples) if sample.target != frames.targets[row]]


def _lesson(teaching: Teaching, network: nn.Module, data: TrainingData, order: tuple[int, ...]) -> Lesson:
    """With adapters for the layers of `network` and the teacher, whose shapes one frame shows."""
    images, _, view = data.example()
    return Lesson(teaching.settings, network, images=images, lecture=teaching.teacher(view), order=order)


def _normalised(preprocess: Preprocess, settings: TrainSettings, frames: Frames) -> Preprocess:
    """With mean and deviation of the training frames, or of ImageNet for a model that can start from its weights."""
    from_file = settings.input_channels == 3 and settings.initial is not None and is_weights_file(settings.initial)
    if settings.entry.imagenet or from_file:
        return replace(preprocess, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return normalised_for(preprocess, frames)
