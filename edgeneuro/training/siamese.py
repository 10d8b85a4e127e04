"""Learning from pairs, and which branch is kept of it. Source: as edgeneuro.models.skin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeneuro.metrics import balanced_accuracy, macro_f1
from edgeneuro.models.skin import SAME, BranchNumber, Seen, SiameseNet
from edgeneuro.preprocess import Preprocess
from edgeneuro.training.frames import Batch, FrameBatches, Frames, batches
from edgeneuro.training.learner import Learner
from edgeneuro.training.losses import discriminator_loss, focal_loss, total_loss
from edgeneuro.training.paired import PairBatch
from edgeneuro.training.pairs import epoch_pairs
from edgeneuro.training.score import BATCH
from edgeneuro.training.settings import SiameseSettings


@dataclass(frozen=True, kw_only=True)
class Branches:
    """What each branch is worth on the validation frames, all of which both have seen.

    loss: of everything, as it is trained. first_loss, second_loss: focal loss of each branch; average_loss: of the mean of
    their probabilities, which no deployed network computes. discriminator_accuracy: share of right answers on pairs of
    validation frames, always the same ones, positive and negative in the proportion of training.
    """

    loss: float
    first_loss: float
    second_loss: float
    average_loss: float
    discriminator_accuracy: float

    @property
    def kept(self) -> BranchNumber:
        """The branch with the smaller focal loss, the first of equals."""
        return 1 if self.first_loss <= self.second_loss else 2


def balancing(shares: NDArray[np.float64], settings: SiameseSettings) -> Tensor:
    """alpha of the focal loss, (class,) float32: 1 on average over frames of which each class has this share.

    Where it is "balanced", each class weighs the same in sum; one without any frame weighs 0. Where "none", all are 1.
    """
    if settings.alpha == "none":
        return torch.ones(len(shares))
    there = shares > 0
    weights = np.divide(1.0, shares * there.sum(), out=np.zeros_like(shares), where=there)
    return torch.tensor(weights, dtype=torch.float32)


class SiameseLearner(Learner):
    """Both branches and the discriminator at once; scores are of the branch that would be kept.

    seed: of the pairs of validation frames that the discriminator compares. The rest is Learner's.
    """

    def __init__(self, network: SiameseNet, settings: SiameseSettings, *, seed: int, **rest: Any) -> None:
        super().__init__(network, gamma=settings.gamma, **rest)
        self.settings = settings
        self.seed = seed
        self.both_saw: list[tuple[Tensor, Seen, Seen]] = []

    @property
    def siamese(self) -> SiameseNet:
        """What is trained."""
        assert isinstance(self.network, SiameseNet)
        return self.network

    def training_step(self, batch: PairBatch, _: int) -> Tensor:  # type: ignore[override]  # pairs, not frames
        """The loss of one batch of pairs."""
        images, targets, partners, partner_targets = batch
        first, second = map(_float32, self.siamese(_channels_last(images), _channels_last(partners)))
        answers = self.siamese.same(first.vector, second.vector).float()
        loss = total_loss(
            self.loss(first.logits, targets),
            self.loss(second.logits, partner_targets),
            discriminator_loss(answers, targets == partner_targets),
            self.settings,
        )
        self.log("training_loss", loss, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(targets))
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Keeps what both branches make of single frames; every frame can be compared with any other afterwards."""
        images, targets = batch
        first, second = map(_float32, self.siamese.both(_channels_last(images)))
        self.both_saw.append((targets, first, second))

    def on_validation_epoch_end(self) -> None:
        """Losses and metrics over the frames of every device."""
        targets, first, second = joined(self.both_saw)
        self.both_saw.clear()
        targets, *columns = (self._gathered(column) for column in (targets, *first, *second))
        first, second = Seen(*columns[:2]), Seen(*columns[2:])
        branches = judged(self.siamese, targets, first, second, self.settings, self.seed)
        self.log("validation_loss", torch.tensor(branches.loss, dtype=torch.float64))
        self.log("discriminator_accuracy", torch.tensor(branches.discriminator_accuracy, dtype=torch.float64))
        predicted = (first, second)[branches.kept - 1].logits.argmax(1).cpu().numpy()
        for metric in (macro_f1, balanced_accuracy):
            score = metric(targets.cpu().numpy(), predicted, len(self.weights))
            self.log(metric.name, torch.tensor(score, dtype=torch.float64))

    def _gathered(self, column: Tensor) -> Tensor:
        """(frame, ...) of one device -> of all of them."""
        gathered = cast(Tensor, self.all_gather(column))
        return gathered if gathered.ndim == column.ndim else gathered.flatten(0, 1)


def joined(batches: list[tuple[Tensor, Seen, Seen]]) -> tuple[Tensor, Seen, Seen]:
    """Batches of class numbers and of what both branches made of the frames, one after the other."""
    targets, first, second = zip(*batches, strict=True)
    one, two = (Seen(*(torch.cat(column) for column in zip(*seen, strict=True))) for seen in (first, second))
    return torch.cat(targets), one, two


def judged(
    network: SiameseNet, targets: Tensor, first: Seen, second: Seen, settings: SiameseSettings, seed: int
) -> Branches:
    """From what both branches of `network`, in evaluation mode, make of the same frames. targets: (frame,) class numbers.

    seed: of the pairs that the discriminator gets, as many as there are frames.
    """
    numbers = targets.cpu().numpy()
    shares = np.bincount(numbers, minlength=first.logits.shape[1]) / len(numbers)
    alpha = balancing(shares, settings).to(targets.device)
    losses = [
        focal_loss(logits, targets, settings.gamma, alpha)
        for logits in (first.logits, second.logits, average(first.logits, second.logits))
    ]
    rows = epoch_pairs(numbers, len(numbers), settings.positive_ratio, np.random.default_rng(seed))
    left, right = torch.from_numpy(rows).to(targets.device).T
    answers, same = network.same(first.vector[left], second.vector[right]), targets[left] == targets[right]
    return Branches(
        loss=float(total_loss(losses[0], losses[1], discriminator_loss(answers, same), settings)),
        first_loss=float(losses[0]),
        second_loss=float(losses[1]),
        average_loss=float(losses[2]),
        discriminator_accuracy=float(((answers.argmax(1) == SAME) == same).double().mean()),
    )


@torch.no_grad()
def compare_branches(
    network: SiameseNet, frames: Frames, preprocess: Preprocess, settings: SiameseSettings, seed: int
) -> Branches:
    """Of `network`, in evaluation mode afterwards, on validation frames; on the CPU in float32. seed: as of `judged`."""
    network.eval()
    loader = batches(FrameBatches(frames, preprocess), BATCH)
    saw = [(targets, *network.both(images)) for images, targets in loader]
    return judged(network, *joined(saw), settings, seed)


class AverageOfBoth(nn.Module):
    """A classifier that costs twice as much: both branches of a trained network, their probabilities averaged."""

    def __init__(self, network: SiameseNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logarithms of probabilities (batch, class)."""
        first, second = self.network.both(image)
        return average(first.logits, second.logits)


def average(first: Tensor, second: Tensor) -> Tensor:
    """Logarithm of the mean of two softmax distributions. Logits (batch, class) -> (batch, class)."""
    both = torch.stack([first, second]).log_softmax(2)
    return both.logsumexp(0) - math.log(2.0)


def _float32(seen: Seen) -> Seen:
    return Seen(*(part.float() for part in seen))


def _channels_last(images: Tensor) -> Tensor:
    return images.to(memory_format=torch.channels_last)
