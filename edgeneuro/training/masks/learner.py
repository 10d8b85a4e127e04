"""Learning where things are: a loss over voxels that count."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from edgeneuro.metrics import METRICS
from edgeneuro.training.learner import Learner
from edgeneuro.training.masks.crops import MaskBatch
from edgeneuro.training.settings import MaskSettings
from edgeneuro.training.tube_losses import centreline_loss, mask_loss
from edgeneuro.volume import FOREGROUND, IGNORE


class MaskLearner(Learner):
    """network: (batch, 1, [depth,] height, width) -> logits of the same shape. dimensions: 2 or 3. The rest is Learner's."""

    def __init__(self, network: nn.Module, settings: MaskSettings, dimensions: int, **rest: Any) -> None:
        super().__init__(network, weights=torch.ones(2), **rest)
        self.settings = settings
        self.memory_format = torch.channels_last if dimensions == 2 else torch.channels_last_3d
        self.pairs: list[Tensor] = []

    def training_step(self, batch: MaskBatch, _: int) -> Tensor:  # type: ignore[override]  # labels of voxels, weights
        """The loss of one batch."""
        images, labels, weights = batch
        loss = self.mask_loss(self.logits(images), labels, weights)
        self.log("training_loss", loss, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(images))
        return loss

    def validation_step(self, batch: MaskBatch, _: int) -> None:  # type: ignore[override]
        """Counts pairs of true and predicted class over the voxels that count."""
        images, labels, weights = batch
        logits = self.logits(images)
        loss = self.mask_loss(logits, labels, weights)
        self.log("validation_loss", loss, on_epoch=True, sync_dist=True, batch_size=len(images))
        counted = labels != IGNORE
        pairs = 2 * (labels[counted] == FOREGROUND).long() + (logits[counted] > 0).long()
        self.pairs.append(torch.bincount(pairs, minlength=4))

    def on_validation_epoch_end(self) -> None:
        """Metrics over the voxels of every device."""
        counts = torch.stack(self.pairs).sum(0)
        self.pairs.clear()
        confusion = cast(Tensor, self.all_gather(counts)).reshape(-1, 2, 2).sum(0).cpu().numpy()
        for name in ("macro_f1", "balanced_accuracy"):
            self.log(name, torch.tensor(float(METRICS[name].of_confusion(confusion)), dtype=torch.float64))
        either = 2 * confusion[1, 1] + confusion[0, 1] + confusion[1, 0]
        dice = 2 * confusion[1, 1] / either if either else 1.0
        self.log("dice", torch.tensor(float(dice), dtype=torch.float64))

    def mask_loss(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Cross-entropy and Dice, with the centre lines where the settings say so."""
        loss = mask_loss(logits, labels, weights)
        if self.settings.centreline_weight:
            loss = loss + self.settings.centreline_weight * centreline_loss(logits, labels)
        return loss
