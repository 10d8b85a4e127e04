"""Frames for training: decoded and resized once, augmented anew in every epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.drawing import Drawing
from edgeneuro.errors import DataError
from edgeneuro.neuron import Neuron
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Frame
from edgeneuro.training.augment import Augmentation

Batch = tuple[Tensor, Tensor]
"""(batch, channel, height, width) float32 and (batch,) int64 class numbers, UNLABELLED where there is none."""
TaughtBatch = tuple[Tensor, Tensor, Tensor]
"""The same, then the same frames, equally augmented, as the teacher wants them."""
NumberedBatch = tuple[Tensor, Tensor, Tensor]
"""Batch, then (batch,) int64 numbers of the frames in their part."""

UNLABELLED = -1
"""In the place of a class number."""
WHOLE_FRAMES = Augmentation()


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Resized frames of one part of a split, in memory.

    pixels: (frame, height, width[, 3]) uint8. targets: (frame,) class numbers. groups: one a frame. neurons: of which the
    frames are pictures, drawn by `drawing`; () and None where they are none.
    """

    pixels: NDArray[np.uint8]
    targets: NDArray[np.int64]
    groups: tuple[str, ...]
    neurons: tuple[Neuron, ...] = ()
    drawing: Drawing | None = None

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, kw_only=True)
class TeacherFrames:
    """The frames of a training part as a teacher wants them.

    frames: in the same order, of the teacher's size and channels; the student's own where these are the same.
    preprocess: the teacher's, of 8 bits.
    """

    frames: Frames
    preprocess: Preprocess


def read_frames(
    dataset: DataSet, preprocess: Preprocess, step: Callable[[], None] = lambda: None, *, labelled: bool = True
) -> Frames:
    """Every frame of `dataset`, decoded and resized to uint8. step: called after each. labelled: without, every target
    is UNLABELLED, whatever the table says. Raises FrameError; DataError for a frame without label."""
    shape = (len(dataset), preprocess.height, preprocess.width) + ((3,) if preprocess.channels == 3 else ())
    pixels = np.empty(shape, np.uint8)
    for row, sample in zip(pixels, dataset.samples, strict=True):
        row[...] = preprocess.resize(dataset.read(sample))
        step()
    targets = np.array([class_number(sample) if labelled else UNLABELLED for sample in dataset.samples], np.int64)
    return Frames(
        pixels=pixels,
        targets=targets,
        groups=tuple(sample.group for sample in dataset.samples),
        neurons=tuple(map(dataset.neuron, dataset.samples)) if dataset.has_neurons else (),
        drawing=dataset.drawing if dataset.has_neurons else None,
    )


def joined(parts: Sequence[Frames]) -> Frames:
    """Frames of one size, one part after the other. Raises DataError for pictures of neurons beside others."""
    if len(parts) == 1:
        return parts[0]
    drawings = {part.drawing for part in parts}
    if len(drawings) > 1:
        raise DataError("frames: some are pictures of neurons and others are not, expected one kind; leave either out")
    return Frames(
        pixels=np.concatenate([part.pixels for part in parts]),
        targets=np.concatenate([part.targets for part in parts]),
        groups=tuple(group for part in parts for group in part.groups),
        neurons=tuple(neuron for part in parts for neuron in part.neurons),
        drawing=parts[0].drawing,
    )


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
        return to_batch(map(self.frame, rows), self.preprocess)

    def frame(self, row: int) -> tuple[Frame, int]:
        """(height, width[, 3]) uint8 of one frame, and its class number."""
        return self.frames.pixels[row], int(self.frames.targets[row])


class AugmentedBatches(FrameBatches):
    """Training frames, augmented with a generator of its own for each (seed, epoch, frame): a batch does not depend on
    what was drawn before it, so a resumed run repeats an uninterrupted one.

    epoch: the number of the current one when called. mixing: share of the frames that are blended with another one,
    in any proportion (mixup: Zhang 2018, arXiv:1710.09412); they are UNLABELLED.
    """

    def __init__(
        self,
        frames: Frames,
        preprocess: Preprocess,
        seed: int,
        epoch: Callable[[], int],
        *,
        augment: Augmentation = WHOLE_FRAMES,
        mixing: float = 0.0,
    ) -> None:
        super().__init__(frames, preprocess)
        self.augment = augment
        self.seed = seed
        self.epoch = epoch
        self.mixing = mixing

    def frame(self, row: int) -> tuple[Frame, int]:
        """(height, width[, 3]) uint8 of one frame as this epoch sees it, and its class number."""
        rng = np.random.default_rng((self.seed, self.epoch(), row))
        pixels = self.seen(row, rng)
        if not (self.mixing and rng.random() < self.mixing):
            return pixels, int(self.frames.targets[row])
        share, other = rng.random(), int(rng.integers(len(self)))
        return cv2.addWeighted(pixels, share, self.seen(other, rng), 1.0 - share, 0.0), UNLABELLED

    def seen(self, row: int, rng: np.random.Generator) -> Frame:
        """(height, width[, 3]) uint8 of one frame, changed at random; a neuron is drawn anew, from another side."""
        frames, pixels = self.frames, self.frames.pixels[row]
        if frames.drawing is not None and self.augment.pose is not None:
            pixels = self.preprocess.resize(frames.drawing(frames.neurons[row], self.augment.pose(rng)))
        return self.augment(pixels, rng)


class NumberedBatches(Dataset[Any]):
    """Training frames with their numbers, for what is kept of each frame over epochs."""

    def __init__(self, frames: AugmentedBatches) -> None:
        self.frames = frames

    def __len__(self) -> int:
        return len(self.frames)

    def __getitems__(self, rows: Sequence[int]) -> NumberedBatch:
        """One whole batch."""
        return *self.frames.__getitems__(rows), torch.tensor(rows)


class TaughtBatches(Dataset[Any]):
    """Training frames with the teacher's view of them: the same frames, drawn from the same generator, so cut out, turned,
    brightened and mixed alike. A patient teacher needs a consistent view: Beyer 2022, arXiv:2106.05237."""

    def __init__(self, student: AugmentedBatches, teacher: AugmentedBatches) -> None:
        self.student = student
        self.teacher = teacher

    def __len__(self) -> int:
        return len(self.student)

    def __getitems__(self, rows: Sequence[int]) -> TaughtBatch:
        """One whole batch."""
        images, targets = self.student.__getitems__(rows)
        return images, targets, self.teacher.__getitems__(rows)[0]


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


def batches(
    frames: FrameBatches | NumberedBatches | TaughtBatches, batch_size: int, order: EpochOrder | None = None
) -> DataLoader[Any]:
    """A loader in the frames' order, or for training in `order`: then a last batch of one frame is left out, which
    batch normalisation cannot use."""
    return DataLoader(
        frames,
        batch_size=batch_size,
        sampler=order,
        drop_last=order is not None and len(frames) % batch_size == 1,
        collate_fn=as_is,
    )


def as_is(batch: Any) -> Any:
    """Collates nothing: what comes is a whole batch."""
    return batch


def to_batch(frames: Iterable[tuple[Frame, int]], preprocess: Preprocess) -> Batch:
    """frames: (height, width[, 3]) uint8, each with its class number."""
    pixels, targets = zip(*frames, strict=True)
    return torch.from_numpy(np.stack([preprocess.normalise(frame) for frame in pixels])), torch.tensor(targets)


class TrainingData(lightning.LightningDataModule):
    """Training frames, shuffled and augmented by (seed, epoch); validation frames in order. teacher: its view of the
    training frames. numbered: whether batches say which frames they hold. augment, mixing: as of AugmentedBatches."""

    def __init__(
        self,
        *,
        training: Frames,
        validation: Frames,
        preprocess: Preprocess,
        batch_size: int,
        seed: int,
        teacher: TeacherFrames | None = None,
        augment: Augmentation = WHOLE_FRAMES,
        mixing: float = 0.0,
        numbered: bool = False,
    ) -> None:
        super().__init__()
        self.training = training
        self.validation = validation
        self.preprocess = preprocess
        self.batch_size = batch_size
        self.seed = seed
        self.teacher = teacher
        self.augment = augment
        self.mixing = mixing
        self.numbered = numbered

    def epoch(self) -> int:
        """Of the trainer, from 0."""
        assert self.trainer is not None
        return self.trainer.current_epoch

    def example(self) -> TaughtBatch:
        """The first training frame as it is, with the teacher's view of it."""
        assert self.teacher is not None
        images, targets = FrameBatches(self.training, self.preprocess).__getitems__([0])
        return images, targets, FrameBatches(self.teacher.frames, self.teacher.preprocess).__getitems__([0])[0]

    def train_dataloader(self) -> DataLoader[Any]:
        """Every training frame once an epoch, as Batch, with a teacher as TaughtBatch, with numbers as NumberedBatch."""
        student = self._augmented(self.training, self.preprocess)
        frames: AugmentedBatches | NumberedBatches | TaughtBatches = (
            NumberedBatches(student) if self.numbered else student
        )
        if self.teacher is not None:
            frames = TaughtBatches(student, self._augmented(self.teacher.frames, self.teacher.preprocess))
        return batches(frames, self.batch_size, EpochOrder(len(frames), self.seed, self.epoch))

    def val_dataloader(self) -> DataLoader[Any]:
        """Every validation frame once."""
        return batches(FrameBatches(self.validation, self.preprocess), self.batch_size)

    def _augmented(self, frames: Frames, preprocess: Preprocess) -> AugmentedBatches:
        return AugmentedBatches(frames, preprocess, self.seed, self.epoch, augment=self.augment, mixing=self.mixing)
