"""Follows a run: history, best weights, early stopping, the state to resume from, progress."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from edgeneuro.errors import InputError
from edgeneuro.records import from_json, to_json
from edgeneuro.training.learner import Learner

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One line of the history. epoch: from 0. Losses are those of the recipe, the training loss of
    a taught run that of its whole lesson; scores 0 to 1 on validation frames, of pairs those of the better branch;
    the training loss is of augmented frames, while the weights still change. seconds: wall time. discriminator_accuracy:
    share of the validation pairs that are told right, None without pairs. dice: of the foreground of all validation tiles together,
    None without masks; the other scores are then of voxels."""

    epoch: int
    learning_rate: float
    training_loss: float
    validation_loss: float
    macro_f1: float
    balanced_accuracy: float
    seconds: float
    discriminator_accuracy: float | None = None
    dice: float | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is: frames read, or batches of all epochs. row: of the last finished epoch."""

    stage: Literal["reading", "training"]
    done: int
    total: int
    row: EpochRow | None = None


OnProgress = Callable[[Progress], None]
Watched = Literal["macro_f1", "dice", "validation_loss", "last"]


class Keeper(Checkpoint):
    """Writes the whole state at the end of each epoch, after everything else has seen the epoch.

    path: of the state file. run: plain values stored with it. epochs: planned. patience: epochs without a better
    value of `watch` before the trainer is told to stop. progress: called after each batch and each epoch. watch: what the
    best epoch has most of (macro_f1, dice; of equals the one with the smaller validation loss) or least of (validation_loss);
    "last" holds every epoch for better than those before.
    """

    def __init__(
        self,
        path: Path,
        *,
        run: Mapping[str, Any],
        epochs: int,
        patience: int,
        progress: OnProgress,
        watch: Watched = "macro_f1",
    ) -> None:
        self.path = path
        self.run = run
        self.epochs = epochs
        self.patience = patience
        self.progress = progress
        self.watch = watch
        self.history: list[EpochRow] = []
        self.best: EpochRow | None = None
        self.weights: Weights = {}
        self.started = self.learning_rate = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A run that was killed after its last epoch has nothing left to do."""
        self.stop_if_done(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the epoch's clock; its learning rate is set already, and at its end it is the next one's."""
        self.started = time.perf_counter()
        self.learning_rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Tells how far the run is."""
        self.tell(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds the epoch to the history and saves. Raises InputError when the loss is no number any more."""
        assert isinstance(pl_module, Learner)
        row = self.row(trainer)
        self.history.append(row)
        if self.best is None or self.rank(row) > self.rank(self.best):
            self.best = row
            self.weights = {
                name: value.detach().cpu().clone() for name, value in pl_module.network.state_dict().items()
            }
        self.stop_if_done(trainer)
        trainer.save_checkpoint(self.path)
        self.tell(trainer)

    def tell(self, trainer: Trainer) -> None:
        """Calls `progress`, on the first process only."""
        if trainer.is_global_zero:
            total = int(trainer.num_training_batches) * self.epochs
            row = self.history[-1] if self.history else None
            self.progress(Progress(stage="training", done=trainer.global_step, total=total, row=row))

    def row(self, trainer: Trainer) -> EpochRow:
        """The epoch that just ended."""
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if not math.isfinite(values["training_loss"] + values["validation_loss"]):
            raise InputError(
                f"training: the loss became {values['training_loss']} in epoch {trainer.current_epoch}; "
                "give a smaller --learning-rate"
            )
        return EpochRow(
            epoch=trainer.current_epoch,
            learning_rate=self.learning_rate,
            seconds=time.perf_counter() - self.started,
            **values,
        )

    def rank(self, row: EpochRow) -> tuple[float, float]:
        """Larger is better: what is watched, then the smaller validation loss."""
        watched = {
            "macro_f1": row.macro_f1,
            "dice": row.dice or 0.0,
            "validation_loss": -row.validation_loss,
            "last": float(row.epoch),
        }
        return watched[self.watch], -row.validation_loss

    def stop_if_done(self, trainer: Trainer) -> None:
        """Early stopping; a function of the history alone, so a resumed run decides as the first one did."""
        if self.history:
            peak = max(self.history, key=lambda row: self.rank(row)[0])  # the first of equals
            if self.history[-1].epoch - peak.epoch >= self.patience:
                trainer.should_stop = True

    def forget(self) -> None:
        """Remove the state's folder, with what a killed run left there half-written; the run is finished."""
        shutil.rmtree(self.path.parent)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs, plus `run`."""
        return {
            "run": self.run,
            "history": [to_json(row) for row in self.history],
            "best": None if self.best is None else self.best.epoch,
            "weights": dict(self.weights),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Called by the trainer when it resumes."""
        self.history = [from_json(EpochRow, row, str(self.path)) for row in state_dict["history"]]
        self.best = next(row for row in self.history if row.epoch == state_dict["best"])
        self.weights = state_dict["weights"]


def saved_run(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `run` that a keeper stored in the trainer's state."""
    run: Mapping[str, Any] = state["callbacks"][Keeper.__name__]["run"]
    return run
