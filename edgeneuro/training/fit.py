"""Training a model of the table from start to checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from edgeneuro.data import DataSet, open_data
from edgeneuro.drawing import Drawing
from edgeneuro.errors import UsageError
from edgeneuro.manifest import DataIdentity
from edgeneuro.records import to_json
from edgeneuro.training.checkpoint import CONFIG, CheckpointConfig, read_metrics, write_checkpoint
from edgeneuro.training.keeper import Keeper, OnProgress
from edgeneuro.training.masks.scenes import PseudoScenes
from edgeneuro.training.recipe import fresh, work_of
from edgeneuro.training.responses.network import sizes_for
from edgeneuro.training.run import (
    NO_PSEUDO,
    NO_TEACHER,
    STATE,
    Run,
    finished_config,
    new_run,
    part_of,
    prepare_folder,
    resumed_run,
)
from edgeneuro.training.settings import TrainSettings, with_recipe
from edgeneuro.training.start import Start
from edgeneuro.training.teaching import Teaching
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
    more: PseudoScenes | None = None,
    resume: bool = False,
    force: bool = False,
    threads: int | None = None,
    devices: int | str = "auto",
    progress: OnProgress = lambda _: None,
) -> TrainResult:
    """Train, test and write a checkpoint to the folder `out`.

    start: a checkpoint to go on from, with its split and preprocessing; fresh weights and a new split where None.
    teaching: a teacher to learn from beside the labels. more: of a model with masks, scenes to learn from beside the labelled ones.
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
    Scores of a model with masks are SceneScores.

    Raises DataError, FrameError, OutputError, CheckpointError (resuming a run with other settings or data), UsageError (a
    teacher of other classes, a layer that is not there);
    KeyboardInterrupt passes through and leaves what `resume` needs.
    """
    settings = with_recipe(settings, alone=start is None and teaching is None)
    _refuse_others(settings, teaching, more)
    state = out / STATE
    taught, pseudo = teaching.record() if teaching else NO_TEACHER, more.record if more else NO_PSEUDO
    if resume and (out / CONFIG).exists() and not state.exists():
        return TrainResult(
            folder=out, config=finished_config(settings, out, start, taught, pseudo), metrics=read_metrics(out)
        )
    prepare_folder(out, force=force, resume=resume)
    dataset = _drawn(
        open_data(settings.source, label_column=settings.label_column, group_column=settings.group_column),
        settings,
        start,
    )
    make = partial(resumed_run, state=state) if state.exists() else new_run
    run = make(settings, dataset, start=start, taught=taught, pseudo=pseudo)
    with torch_threads(threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return _train(run, dataset, out, start, teaching, more, devices, progress)


def _train(
    run: Run,
    dataset: DataSet,
    out: Path,
    start: Start | None,
    teaching: Teaching | None,
    more: PseudoScenes | None,
    devices: int | str,
    progress: OnProgress,
) -> TrainResult:
    settings = run.settings
    parts = {part: part_of(dataset, run.split, part) for part in ("training", "validation", "test")}
    work = work_of(run, dataset, parts, start=start, teaching=teaching, more=more, progress=progress)
    trainee, initial = (start.prepare(parts["training"], (out / STATE).parent), None) if start else fresh(run, dataset)
    network = trainee.network
    metrics = {"made_from": to_json(run.made_from), "before": work.scores(network), **trainee.notes} if start else {}
    learner = work.learner(network)
    keeper = Keeper(
        out / STATE,
        run=to_json(run),
        epochs=settings.epochs,
        patience=settings.patience,
        progress=progress,
        watch="last" if settings.keep == "last" else work.watch,
    )
    trainer = fit(learner, work.data, keeper, devices=devices, precision=settings.precision)

    assert keeper.best is not None
    network.load_state_dict(dict(keeper.weights))
    scored, notes = work.finished(learner)
    stored, ranges = trainee.finish(scored)
    metrics |= {
        "history": to_json(keeper.history),
        **notes,
        "best_epoch": keeper.best.epoch,
        "wall_s": sum(row.seconds for row in keeper.history),
        "hardware": hardware(trainer),
        **work.scores(scored),
        **({"stored": work.scores(stored)} if stored is not scored else {}),
    }
    config = CheckpointConfig(
        model=settings.model,
        options=settings.options,
        classes=dataset.classes,
        channels=None if work.preprocess is None else settings.input_channels,
        preprocess=work.preprocess,
        session=dataset.session,
        sizes=sizes_for(settings.entry, dataset),
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
        masks=settings.masks,
        label_noise=settings.label_noise,
        precision=settings.precision,
        best_epoch=keeper.best.epoch,
        data=settings.source,
        label_column=settings.label_column,
        group_column=settings.group_column,
        made_from=run.made_from,
        ancestors=start.ancestors if start else (),
        taught=run.taught,
        pseudo=run.pseudo,
        surgery=trainee.surgery,
        initial=initial,
        tools={name: version(name) for name in TOOLS},
    )
    if trainer.is_global_zero:
        config = write_checkpoint(out, network=stored, config=config, metrics=metrics, split=run.split, ranges=ranges)
        keeper.forget()
    return TrainResult(folder=out, config=config, metrics=metrics)


def _refuse_others(settings: TrainSettings, teaching: Teaching | None, more: PseudoScenes | None) -> None:
    """Raise UsageError for a teacher of masks, or pseudo-labels of anything else."""
    if teaching and settings.entry.masks:
        raise UsageError(f"teacher: {settings.model!r} finds where things are, teachers help classifiers; leave it out")
    if more and not settings.entry.masks:
        raise UsageError(f"pseudo-labels: are masks, {settings.model!r} learns from classes; leave them out")


def _drawn(dataset: DataSet, settings: TrainSettings, start: Start | None) -> DataSet:
    """With the pictures of neurons that the checkpoint wants, or the settings. Raises UsageError where either has no neurons."""
    if not dataset.has_neurons:
        if settings.drawing is not None:
            raise UsageError(f"--drawing: {dataset.name} holds frames, no neurons; leave it out")
        return dataset
    if start is None:
        return dataset.drawn_as(settings.drawing or Drawing(side_px=settings.side_px))
    if start.preprocess is None or start.preprocess.drawing is None:
        raise UsageError(
            f"{dataset.name}: holds neurons, but the checkpoint was trained on frames; give --data of frames"
        )
    return dataset.drawn_as(start.preprocess.drawing)
