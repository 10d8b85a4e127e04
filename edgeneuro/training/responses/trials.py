"""Trials of a session in memory, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from edgeneuro.data import DataSet
from edgeneuro.data.recordings import Recording
from edgeneuro.errors import DataError
from edgeneuro.spec import Float32
from edgeneuro.training.frames import Batch, EpochOrder, TaughtBatch, as_is, class_number


@dataclass(frozen=True, kw_only=True)
class Trials:
    """One part of a split. responses: (trial, neuron), as recorded. targets: (trial,) class numbers. groups: one a trial."""

    responses: Float32
    targets: NDArray[np.int64]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.targets)


def recording_of(dataset: DataSet) -> Recording:
    """The session whose trials these are. Raises DataError for a set of anything else."""
    if dataset.recording is None:
        raise DataError(
            f"{dataset.name}: holds no session, a decoder learns from responses of neurons; give --data v1-simulated, a session of "
            "v1_gratings_2p by name, or its file"
        )
    return dataset.recording


def read_trials(part: DataSet) -> Trials:
    """Of a session. Raises DataError for a set of anything else."""
    rows = [sample.index for sample in part.samples]
    return Trials(
        responses=recording_of(part).responses[rows],
        targets=np.array([class_number(sample) for sample in part.samples], np.int64),
        groups=tuple(sample.group for sample in part.samples),
    )


class TrialBatches(Dataset[Any]):
    """`trials` as batches. taught: with the responses once more, as the teacher wants them."""

    def __init__(self, trials: Trials, *, taught: bool = False) -> None:
        self.trials = trials
        self.taught = taught

    def __len__(self) -> int:
        return len(self.trials)

    def __getitems__(self, rows: Sequence[int]) -> Batch | TaughtBatch:
        """One whole batch: (batch, neuron) float32 and (batch,) class numbers."""
        responses = torch.from_numpy(self.trials.responses[list(rows)])
        targets = torch.from_numpy(self.trials.targets[list(rows)])
        return (responses, targets, responses) if self.taught else (responses, targets)


class TrialData(lightning.LightningDataModule):
    """Training trials in an order that depends on seed and epoch alone, validation trials as they are. taught: as of TrialBatches, for
    training."""

    def __init__(self, *, training: Trials, validation: Trials, batch_size: int, seed: int, taught: bool) -> None:
        super().__init__()
        self.training, self.validation = training, validation
        self.batch_size, self.seed, self.taught = batch_size, seed, taught

    def epoch(self) -> int:
        """Of the trainer, from 0."""
        assert self.trainer is not None
        return self.trainer.current_epoch

    def example(self) -> TaughtBatch:
        """The first training trial, also as the teacher wants it."""
        responses, targets = TrialBatches(self.training).__getitems__([0])[:2]
        return responses, targets, responses

    def train_dataloader(self) -> DataLoader[Any]:
        """Every training trial once an epoch; a last batch of one, which batch normalisation cannot use, is left out."""
        trials = TrialBatches(self.training, taught=self.taught)
        return DataLoader(
            trials,
            batch_size=self.batch_size,
            sampler=EpochOrder(len(trials), self.seed, self.epoch),
            drop_last=len(trials) % self.batch_size == 1,
            collate_fn=as_is,
        )

    def val_dataloader(self) -> DataLoader[Any]:
        """Every validation trial once."""
        return DataLoader(TrialBatches(self.validation), batch_size=self.batch_size, collate_fn=as_is)
