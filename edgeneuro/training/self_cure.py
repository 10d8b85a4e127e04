"""Learning with a weight of every sample, which doubtful labels should lose. Source: Wang 2020, arXiv:2002.10392."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from edgeneuro.models.morphology import MorphologyNet
from edgeneuro.preprocess import Preprocess
from edgeneuro.training.frames import FrameBatches, Frames, NumberedBatch, batches
from edgeneuro.training.learner import Learner
from edgeneuro.training.score import BATCH
from edgeneuro.training.settings import SelfCureSettings


@dataclass(frozen=True, kw_only=True)
class Cured:
    """What the weights say of the training frames, in their order.

    quality: weight of each, 0 to 1, not augmented. relabelled: number of the frame -> the class it was trained with in the
    end, where that is not the one it came with.
    """

    quality: tuple[float, ...]
    relabelled: dict[str, str]


def weighted_cross_entropy(logits: Tensor, alpha: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """- sum_i w_i log softmax(alpha_i z_i)[y_i] / sum_i w_i.

    logits: z, (batch, class). alpha: (batch, 1). targets: y, (batch,) class numbers. weights: w by class, (class,); with ones,
    eq. 2 of the source.
    """
    return F.cross_entropy(alpha * logits, targets, weight=weights)


def high_group(alpha: Tensor, high_ratio: float) -> Tensor:
    """(batch,) bool: the floor(high_ratio * batch) samples of the highest weight, of equals the earlier ones. alpha: (batch,)."""
    chosen = torch.zeros_like(alpha, dtype=torch.bool)
    chosen[alpha.argsort(descending=True, stable=True)[: int(high_ratio * len(alpha))]] = True
    return chosen


def rank_regularisation(alpha: Tensor, high_ratio: float, margin: float) -> Tensor:
    """max(0, margin - (mean of the high group - mean of the rest)); 0 where either group is empty. alpha: (batch,). Source: eq. 3."""
    high = high_group(alpha.detach(), high_ratio)
    if high.all() or not high.any():
        return 0.0 * alpha.sum()
    return F.relu(margin - (alpha[high].mean() - alpha[~high].mean()))


def relabelled(logits: Tensor, alpha: Tensor, targets: Tensor, high_ratio: float, margin: float) -> Tensor:
    """(batch,) class numbers: of the rest below the high group, the likeliest class where p(likeliest) - p(own) > margin.

    logits: (batch, class), not weighted. alpha, targets: (batch,). Source: eq. 4; the authors' code also changes samples of the
    high group.
    """
    p = logits.softmax(1)
    best, likeliest = p.max(1)
    doubtful = ~high_group(alpha, high_ratio) & (best - p.gather(1, targets[:, None])[:, 0] > margin)
    return torch.where(doubtful, likeliest, targets)


class SelfCureLearner(Learner):
    """labels: (frame,) what every training frame is learnt as; starts as `targets` and is part of the state. The rest is
    Learner's."""

    labels: Tensor

    def __init__(
        self, network: MorphologyNet, settings: SelfCureSettings, targets: NDArray[np.int64], **rest: Any
    ) -> None:
        super().__init__(network, **rest)
        self.settings = settings
        self.register_buffer("labels", torch.from_numpy(targets.copy()))

    def training_step(self, batch: NumberedBatch, _: int) -> Tensor:  # type: ignore[override]  # numbers beside targets
        """The loss of one batch; afterwards doubtful samples of it get another label."""
        images, _targets, rows = batch
        settings, targets = self.settings, self.labels[rows]
        assert isinstance(self.network, MorphologyNet)
        rated = self.network.rated(images.to(memory_format=torch.channels_last))
        logits, alpha = (part.float() for part in rated)
        loss = (1.0 - settings.rank_weight) * weighted_cross_entropy(logits, alpha, targets, self.weights)
        loss = loss + settings.rank_weight * rank_regularisation(alpha[:, 0], settings.high_ratio, settings.margin)
        if settings.relabel_margin is not None and self.current_epoch >= settings.relabel_from:
            self.labels[rows] = relabelled(
                logits.detach(), alpha.detach()[:, 0], targets, settings.high_ratio, settings.relabel_margin
            )
        self.log("training_loss", loss, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(targets))
        return loss


@torch.no_grad()
def cured(
    network: MorphologyNet, labels: Tensor, frames: Frames, preprocess: Preprocess, classes: tuple[str, ...]
) -> Cured:
    """labels: of the learner, (frame,). frames: those of training. The network is in evaluation mode afterwards."""
    network.eval()
    quality = [network.rated(images)[1][:, 0] for images, _ in batches(FrameBatches(frames, preprocess), BATCH)]
    now = labels.cpu().numpy()
    return Cured(
        quality=tuple(round(value, 6) for value in torch.cat(quality).tolist()),
        relabelled={str(row): classes[now[row]] for row in np.flatnonzero(now != frames.targets)},
    )
