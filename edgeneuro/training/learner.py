"""What happens to one batch: loss, optimiser, learning rate."""

from __future__ import annotations

import math
from typing import Any, Literal, cast

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeneuro.errors import DataError
from edgeneuro.metrics import balanced_accuracy, macro_f1
from edgeneuro.training.frames import Batch

WARM_UP_EPOCHS = 5


def class_weights(targets: NDArray[np.int64], classes: tuple[str, ...]) -> Tensor:
    """(class,) float32 inverse frequencies, 1 on average over the frames. Raises DataError for a class without any."""
    counts = np.bincount(targets, minlength=len(classes))
    if not counts.all():
        missing = classes[int(np.argmin(counts))]
        raise DataError(
            f"class {missing!r}: has no training frame in this fold; it needs groups in training, validation and test, "
            "so at least three groups; choose another --fold or leave the class out"
        )
    return torch.tensor(len(targets) / (len(classes) * counts), dtype=torch.float32)


def learning_rate_share(epoch: int, epochs: int) -> float:
    """Share of the top learning rate in `epoch` (from 0): a linear warm-up, then half a cosine towards 0.

    Runs shorter than 20 epochs warm up over a quarter of them.
    """
    warm_up = min(WARM_UP_EPOCHS, epochs // 4)
    if epoch < warm_up:
        return (epoch + 1) / warm_up
    return 0.5 * (1.0 + math.cos(math.pi * (epoch - warm_up) / (epochs - warm_up)))


class Learner(lightning.LightningModule):
    """A classifier with weighted cross-entropy.

    network: (batch, channel, height, width) -> logits (batch, class). weights: (class,). epochs: length of the
    learning-rate schedule.
    """

    weights: Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        weights: Tensor,
        optimiser: Literal["adamw", "adam"],
        learning_rate: float,
        weight_decay: float,
        epochs: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("weights", weights)
        self.optimiser = optimiser
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.seen: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The loss of one batch."""
        images, targets = batch
        loss = self.loss(self.logits(images), targets)
        self.log("training_loss", loss, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(targets))
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Keeps targets and predictions; the metrics are not means over batches."""
        images, targets = batch
        logits = self.logits(images)
        loss = self.loss(logits, targets)
        self.log("validation_loss", loss, on_epoch=True, sync_dist=True, batch_size=len(targets))
        self.seen.append((targets, logits.argmax(1)))

    def on_validation_epoch_end(self) -> None:
        """Metrics over the frames of every device."""
        columns = torch.stack([torch.cat(column) for column in zip(*self.seen, strict=True)])
        gathered = cast(Tensor, self.all_gather(columns)).cpu().numpy()  # ([device,] 2, frame)
        targets, predicted = np.moveaxis(gathered, -2, 0).reshape(2, -1)
        self.seen.clear()
        for metric in (macro_f1, balanced_accuracy):
            score = metric(targets, predicted, len(self.weights))
            self.log(metric.name, torch.tensor(score, dtype=torch.float64))

    def logits(self, images: Tensor) -> Tensor:
        """(batch, class); channels last in memory, which is the faster layout for these convolutions."""
        logits: Tensor = self.network(images.to(memory_format=torch.channels_last))
        return logits

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy with one weight a class."""
        return nn.functional.cross_entropy(logits, targets, weight=self.weights)

    def configure_optimizers(self) -> Any:
        """AdamW or Adam, the learning rate changing once an epoch."""
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[self.optimiser]
        optimiser = kind(self.network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda epoch: learning_rate_share(min(epoch, self.epochs - 1), self.epochs)
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}
