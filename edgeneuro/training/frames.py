"""Frames for training: decoded and resized once, augmented anew in every epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import DataError
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Frame
from edgeneuro.training.augment import Augmentation

Batch = tuple[Tensor, Tensor]
"""(batch, channel, height, width) float32 and (batch,) int64 class numbers, UNLABELLED where there is none."""
TaughtBatch = tuple[Tensor, Tensor, Tensor]
"""The same, then the same frames, equally augmented, as the teacher wants them."""

UNLABELLED = -1
"""In the place of a class number."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Resized frames of one part of a split, in memory.

    pixels: (frame, height, width[, 3]) uint8. targets: (frame,) class numbers. groups: one a frame.
    """

    pixels: NDArray[np.uint8]
    targets: NDArray[np.int64]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.targets)


def read_frames(dataset: DataSet, preprocess: Preprocess, step: Callable[[], None] = lambda: None) -> Frames:
    """Every frame of `dataset`, decoded and resized to uint8. step: called after each. Raises FrameError."""
    shape = (len(dataset), preprocess.height, preprocess.width) + ((3,) if preprocess.channels == 3 else ())
    pixels = np.empty(shape, np.uint8)
    for row, sample in zip(pixels, dataset.samples, strict=True):
        row[...] = preprocess.resize(dataset.read(sample))
        step()
    targets = np.array([class_number(sample) for sample in dataset.samples], np.int64)
    return Frames(pixels=pixels, targets=targets, groups=tuple(sample.group for sample in dataset.samples))


def class_number(sample: Sample) -> int:
    """Raises DataError for an unlabelled sample."""
    if sample.target is None:
        raise DataError(f"{sample.source}: has no label, training needs one a frame; leave it out of the table")
    return sample.target


def normalised_for(preprocess: Preprocess, frames: Frames) -> Preprocess:
    """`preprocess` with the mean and standard deviation of `frames`, one each a channel, on the 0..1 scale.

    Counted from histograms, so exact whatever the number of frames. Raises DataError for frames of one grey level.
    """
    planes = frames.pixels.reshape(-1, preprocess.channels)
    level = np.arange(256) / preprocess.max_value
    shares = np.stack([np.bincount(plane, minlength=256) / len(planes) for plane in planes.T])
    mean = shares @ level
    variance = (shares * (level - mean[:, None]) ** 2).sum(1)
    if not variance.all():
        raise DataError("training frames: all pixels have the same value; are these the right files?")
    return replace(preprocess, mean=tuple(map(float, mean)), std=tuple(map(float, np.sqrt(variance))))


class FrameBatches(Dataset[Any]):
    """`frames` as batches ready for the network."""

    def __init__(self, frames: Frames, preprocess: Preprocess) -> None:
        self.frames = frames
        self.preprocess = preprocess

    def __len__(self) -> int:
        return len(self.frames)

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        """One whole batch; the loader's collate function has nothing left to do."""
        images = np.stack([self.preprocess.normalise(self.pixels(row)) for row in rows])
        return torch.from_numpy(images), torch.from_numpy(self.frames.targets[list(rows)])

    def pixels(self, row: int) -> Frame:
        """(height, width[, 3]) uint8 of one frame."""
        pixels: Frame = self.frames.pixels[row]
        return pixels


class AugmentedBatches(FrameBatches):
    """Training frames, augmented with a generator of its own for each (seed, epoch, frame): a batch does not depend on
    what was drawn before it, so a resumed run repeats an uninterrupted one.

    epoch: the number of the current one when called.
    """

    def __init__(self, frames: Frames, preprocess: Preprocess, seed: int, epoch: Callable[[], int]) -> None:
        super().__init__(frames, preprocess)
        self.augment = Augmentation()
        self.seed = seed
        self.epoch = epoch

    def pixels(self, row: int) -> Frame:
        """(height, width[, 3]) uint8 of one frame as this epoch sees it."""
        return self.augment(super().pixels(row), np.random.default_rng((self.seed, self.epoch(), row)))


class EpochOrder(Sampler[int]):
    """Every frame once, in an order that depends on (seed, epoch) alone."""

    def __init__(self, frames: int, seed: int, epoch: Callable[[], int]) -> None:
        self.frames = frames
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[int]:
        return iter(np.random.default_rng((self.seed, self.epoch())).permutation(self.frames).tolist())


def batches(frames: FrameBatches, batch_size: int, order: EpochOrder | None = None) -> DataLoader[Batch]:
    """A loader in the frames' order, or for training in `order`: then a last batch of one frame is left out, which
    batch normalisation cannot use."""
    return DataLoader(
        frames,
        batch_size=batch_size,
        sampler=order,
        drop_last=order is not None and len(frames) % batch_size == 1,
        collate_fn=_as_is,
    )


def _as_is(batch: Any) -> Any:
    return batch


class TrainingData(lightning.LightningDataModule):
    """Training frames, shuffled and augmented by (seed, epoch); validation frames in order."""

    def __init__(
        self, *, training: Frames, validation: Frames, preprocess: Preprocess, batch_size: int, seed: int
    ) -> None:
        super().__init__()
        self.training = training
        self.validation = validation
        self.preprocess = preprocess
        self.batch_size = batch_size
        self.seed = seed

    def epoch(self) -> int:
        """Of the trainer, from 0."""
        assert self.trainer is not None
        return self.trainer.current_epoch

    def train_dataloader(self) -> DataLoader[Batch]:
        """Every training frame once an epoch."""
        frames = AugmentedBatches(self.training, self.preprocess, self.seed, self.epoch)
        return batches(frames, self.batch_size, EpochOrder(len(frames), self.seed, self.epoch))

    def val_dataloader(self) -> DataLoader[Batch]:
        """Every validation frame once."""
        return batches(FrameBatches(self.validation, self.preprocess), self.batch_size)
