"""Training a model of the table from start to checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from edgeneuro.data import DataSet, open_data
from edgeneuro.manifest import DataIdentity
from edgeneuro.models.build import build_model
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import to_json
from edgeneuro.training.checkpoint import CONFIG, CheckpointConfig, read_metrics, write_checkpoint
from edgeneuro.training.frames import TrainingData, normalised_for, read_frames
from edgeneuro.training.keeper import Keeper, OnProgress, Progress
from edgeneuro.training.learner import Learner, class_weights
from edgeneuro.training.run import STATE, Run, finished_config, new_run, part_of, prepare_folder, resumed_run
from edgeneuro.training.score import score
from edgeneuro.training.settings import TrainSettings
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
    resume: bool = False,
    force: bool = False,
    threads: int | None = None,
    devices: int | str = "auto",
    progress: OnProgress = lambda _: None,
) -> TrainResult:
    """Train, test and write a checkpoint to the folder `out`.

    resume: go on from what a killed or interrupted run left in `out`, at the end of its last whole epoch; start where
    it left nothing; return at once where it had finished. On the CPU with as many threads the weights are those of an
    uninterrupted run, bit for bit. force: start afresh in a folder that holds files; those of a checkpoint are
    replaced at the end. threads: of torch, its own choice where None. devices: as Lightning's trainer takes them.
    progress: called after every frame read, batch and epoch.

    metrics.json: `history` (rows of EpochRow), `best_epoch`, `validation` and `test` (FrameScores, of the best epoch's
    weights), `wall_s` (sum over epochs), `hardware`.

    Raises DataError, FrameError, OutputError, CheckpointError (resuming a run with other settings or data);
    KeyboardInterrupt passes through and leaves what `resume` needs.
    """
    state = out / STATE
    if resume and (out / CONFIG).exists() and not state.exists():
        return TrainResult(folder=out, config=finished_config(settings, out), metrics=read_metrics(out))
    prepare_folder(out, force=force, resume=resume)
    dataset = open_data(settings.source, label_column=settings.label_column, group_column=settings.group_column)
    run = resumed_run(settings, dataset, state) if state.exists() else new_run(settings, dataset)
    with torch_threads(threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return _train(run, dataset, out, devices, progress)


def _train(run: Run, dataset: DataSet, out: Path, devices: int | str, progress: OnProgress) -> TrainResult:
    settings, entry = run.settings, run.settings.entry
    parts = {part: part_of(dataset, run.split, part) for part in ("training", "validation", "test")}
    preprocess = Preprocess(height=settings.side_px, width=settings.side_px, channels=entry.channels)
    reading = _Reading(progress, total=len(dataset))
    frames = {name: read_frames(part, preprocess, reading.step) for name, part in parts.items()}
    data = TrainingData(
        training=frames["training"],
        validation=frames["validation"],
        preprocess=normalised_for(preprocess, frames["training"]),
        batch_size=settings.batch_size,
        seed=settings.seed,
    )
    network = build_model(settings.model, classes=len(dataset.classes), channels=entry.channels, **settings.options)
    learner = Learner(
        network,
        weights=class_weights(frames["training"].targets, dataset.classes),
        optimiser=entry.optimiser,
        learning_rate=settings.top_learning_rate,
        weight_decay=entry.weight_decay,
        epochs=settings.epochs,
    )
    keeper = Keeper(
        out / STATE, run=to_json(run), epochs=settings.epochs, patience=settings.patience, progress=progress
    )
    trainer = fit(learner, data, keeper, devices=devices)

    assert keeper.best is not None
    network.load_state_dict(dict(keeper.weights))
    metrics = {
        "history": to_json(keeper.history),
        "best_epoch": keeper.best.epoch,
        "wall_s": sum(row.seconds for row in keeper.history),
        "hardware": hardware(trainer),
    }
    for name in ("validation", "test"):
        scores = score(network, frames[name], data.preprocess, dataset.classes, entry.primary_metric)
        metrics[name] = to_json(scores)
    config = CheckpointConfig(
        model=settings.model,
        options=settings.options,
        classes=dataset.classes,
        channels=entry.channels,
        preprocess=data.preprocess,
        trained_on=DataIdentity.of(parts["training"]),
        protocol=settings.protocol,
        fold=settings.fold,
        seed=settings.seed,
        epochs=settings.epochs,
        patience=settings.patience,
        batch_size=settings.batch_size,
        learning_rate=settings.top_learning_rate,
        best_epoch=keeper.best.epoch,
        data=settings.source,
        label_column=settings.label_column,
        group_column=settings.group_column,
        tools={name: version(name) for name in TOOLS},
    )
    if trainer.is_global_zero:
        config = write_checkpoint(out, network=network, config=config, metrics=metrics, split=run.split)
        keeper.forget()
    return TrainResult(folder=out, config=config, metrics=metrics)


class _Reading:
    """Counts frames read."""

    def __init__(self, progress: OnProgress, total: int) -> None:
        self.progress = progress
        self.done = 0
        self.total = total

    def step(self) -> None:
        self.done += 1
        self.progress(Progress(stage="reading", done=self.done, total=self.total))
