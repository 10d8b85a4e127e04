"""What happens to one batch: loss, optimiser, learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, cast

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeneuro.errors import DataError
from edgeneuro.metrics import balanced_accuracy, macro_f1
from edgeneuro.training.frames import UNLABELLED, Batch, TaughtBatch
from edgeneuro.training.lesson import Lesson, watched
from edgeneuro.training.losses import focal_loss
from edgeneuro.training.teaching import Lecture, Teacher

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
    """A classifier with weighted cross-entropy, with a lesson also with what that compares with the teacher.

    network: (batch, channel, height, width) -> logits (batch, class). weights: (class,). gamma: of the focal loss, 0 for
    cross-entropy. epochs: length of the learning-rate schedule. memory_format: of images and weights. lesson, teacher: both or neither; the teacher is neither trained nor kept in the state.
    lesson_history: term of the lesson -> its mean over the frames of each epoch, before it is weighted.
    """

    weights: Tensor
    memory_format: torch.memory_format = torch.channels_last

    def __init__(
        self,
        network: nn.Module,
        *,
        weights: Tensor,
        optimiser: Literal["adamw", "adam"],
        learning_rate: float,
        weight_decay: float,
        epochs: int,
        gamma: float = 0.0,
        lesson: Lesson | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("weights", weights)
        self.optimiser = optimiser
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.gamma = gamma
        self.seen: list[tuple[Tensor, Tensor]] = []
        self.lesson = lesson
        self.teach: Callable[[Tensor], Lecture] | None = None
        if teacher is not None:
            self.teach = teacher.__call__  # a teacher that is a module itself would become a part of this one
        self.terms: list[dict[str, Tensor]] = []
        self.lesson_history: dict[str, list[float]] = {}

    def training_step(self, batch: Batch | TaughtBatch, _: int) -> Tensor:
        """The loss of one batch."""
        images, targets, *view = batch
        loss = self.taught_loss(images, targets, *view) if view else self.loss(self.logits(images), targets)
        self.log("training_loss", loss, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(targets))
        return loss

    def taught_loss(self, images: Tensor, targets: Tensor, view: Tensor) -> Tensor:
        """The lesson's loss. view: the same frames as the teacher wants them."""
        assert self.lesson is not None and self.teach is not None
        with watched(self.network, self.lesson.layers) as features:
            logits = self.logits(images)
        with torch.no_grad():
            lecture = self.teach(view.cpu())
        loss, terms = self.lesson(self.labelled_loss(logits, targets), logits, features, lecture)
        frames = torch.full_like(loss, len(targets))
        self.terms.append({"frames": frames} | {name: term.detach() * frames for name, term in terms.items()})
        return cast(Tensor, loss)

    def on_train_epoch_end(self) -> None:
        """Means of the lesson's terms over the frames of every device."""
        if not self.terms:
            return
        sums = torch.stack([torch.stack([row[name] for row in self.terms]).sum() for name in self.terms[0]])
        frames, *terms = cast(Tensor, self.all_gather(sums)).reshape(-1, len(sums)).sum(0).tolist()
        for name, term in zip(list(self.terms[0])[1:], terms, strict=True):
            self.lesson_history.setdefault(name, []).append(term / frames)
        self.terms.clear()

    def on_train_start(self) -> None:
        """Lays the moments of a resumed run out in memory as their parameters are: the fused step pairs them address by address."""
        for parameter, moments in cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False)).state.items():
            for name, value in moments.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    moments[name] = torch.empty_like(parameter).copy_(value)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the lesson's history in the state."""
        if self.lesson is not None:
            checkpoint["lesson_history"] = self.lesson_history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Called by the trainer when it resumes."""
        self.lesson_history = checkpoint.get("lesson_history", {})

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
        """(batch, class) float32, whatever the network multiplies in; channels last in memory, which is the faster layout for these
        convolutions."""
        logits: Tensor = self.network(images.to(memory_format=self.memory_format))
        return logits.float()

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Focal loss, or cross-entropy, with one weight a class."""
        return focal_loss(logits, targets, self.gamma, self.weights)

    def labelled_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """`loss` of the labelled frames, 0 where there is none."""
        labelled = targets != UNLABELLED
        return self.loss(logits[labelled], targets[labelled]) if labelled.any() else 0.0 * logits.sum()

    def configure_optimizers(self) -> Any:
        """AdamW or Adam over the network and the lesson's adapters, in one pass over each tensor, the learning rate changing once an
        epoch."""
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[self.optimiser]
        optimiser = kind(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda epoch: learning_rate_share(min(epoch, self.epochs - 1), self.epochs)
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}
