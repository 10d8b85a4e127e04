"""Pairs of training frames as batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Frame
from edgeneuro.training.augment import Augmentation
from edgeneuro.training.frames import Frames, TrainingData, as_is, to_batch
from edgeneuro.training.pairs import batch_count, epoch_pairs

PairBatch = tuple[Tensor, Tensor, Tensor, Tensor]
"""(pair, channel, height, width) float32 and (pair,) int64 class numbers, then the same of their partners."""
NumberedPair = tuple[int, tuple[int, int]]
"""Its number in the epoch, and the rows of both frames."""


class PairedBatches(Dataset[Any]):
    """Pairs of training frames, each frame augmented with a generator of its own for each (seed, epoch, pair, side), so that
    one that comes up in several pairs of an epoch, or twice in one, never looks the same.

    epoch: the number of the current one when called.
    """

    def __init__(
        self, frames: Frames, preprocess: Preprocess, seed: int, epoch: Callable[[], int], augment: Augmentation
    ) -> None:
        self.frames = frames
        self.preprocess = preprocess
        self.seed = seed
        self.epoch = epoch
        self.augment = augment

    def __getitems__(self, pairs: Sequence[NumberedPair]) -> PairBatch:
        """One whole batch."""
        sides = [[self.frame(number, side, rows[side]) for number, rows in pairs] for side in (0, 1)]
        (images, targets), (partners, partner_targets) = (to_batch(side, self.preprocess) for side in sides)
        return images, targets, partners, partner_targets

    def frame(self, number: int, side: int, row: int) -> tuple[Frame, int]:
        """(height, width[, 3]) uint8 of one frame as this side of this pair sees it, and its class number."""
        rng = np.random.default_rng((self.seed, self.epoch(), number, side + 1))  # a last 0 would be no number at all
        return self.augment(self.frames.pixels[row], rng), int(self.frames.targets[row])


class PairOrder(Sampler[NumberedPair]):
    """The pairs of an epoch, numbered, which depend on (seed, epoch) alone; as many as fill whole batches.

    targets: (frame,) class numbers. batch_size: pairs a step. positive_ratio: as of edgeneuro.training.pairs.
    """

    def __init__(
        self,
        targets: NDArray[np.int64],
        batch_size: int,
        positive_ratio: float,
        seed: int,
        epoch: Callable[[], int],
    ) -> None:
        self.targets = targets
        self.batch_size = batch_size
        self.positive_ratio = positive_ratio
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return batch_count(len(self.targets), self.batch_size) * self.batch_size

    def __iter__(self) -> Iterator[NumberedPair]:
        rng = np.random.default_rng((self.seed, self.epoch()))
        pairs = epoch_pairs(self.targets, self.batch_size, self.positive_ratio, rng)
        return enumerate((first, second) for first, second in pairs.tolist())


class PairedData(TrainingData):
    """Pairs of training frames, drawn and augmented by (seed, epoch); validation frames one by one, in order.

    batch_size: pairs a step. positive_ratio: as of edgeneuro.training.pairs. The rest is TrainingData's.
    """

    def __init__(self, *, positive_ratio: float, **rest: Any) -> None:
        super().__init__(**rest)
        self.positive_ratio = positive_ratio

    def train_dataloader(self) -> DataLoader[Any]:
        """The pairs of an epoch, as PairBatch."""
        order = PairOrder(self.training.targets, self.batch_size, self.positive_ratio, self.seed, self.epoch)
        frames = PairedBatches(self.training, self.preprocess, self.seed, self.epoch, self.augment)
        return DataLoader(frames, batch_size=self.batch_size, sampler=order, collate_fn=as_is)
