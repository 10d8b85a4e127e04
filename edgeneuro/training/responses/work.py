"""Training a decoder: trials in memory, their class numbers, a teacher where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgeneuro.data import DataSet
from edgeneuro.errors import UsageError
from edgeneuro.records import to_json
from edgeneuro.training.keeper import OnProgress, Progress, Watched
from edgeneuro.training.learner import Learner, class_weights
from edgeneuro.training.lesson import Lesson
from edgeneuro.training.responses.trials import TrialData, Trials, read_trials
from edgeneuro.training.run import Run
from edgeneuro.training.score import BATCH, FrameScores, frame_scores
from edgeneuro.training.teaching import Teaching, class_order

SMOOTHING = 0.1
"""Of the labels: share that all classes have in common. Source: docs/v1.md."""

STEPS, SMALLEST_BATCH = 8, 8
"""A short session has smaller batches than the settings name, so that an epoch is about as many steps, but none too small for batch
normalisation."""


class Decoding:
    """What edgeneuro.training.recipe.Work asks for, of trials of one session.

    parts: "training", "validation" and "test" of `dataset`. Raises DataError, UsageError.
    """

    watch: Watched = "macro_f1"
    preprocess = None

    def __init__(
        self,
        run: Run,
        dataset: DataSet,
        parts: Mapping[str, DataSet],
        *,
        teaching: Teaching | None,
        progress: OnProgress,
    ) -> None:
        settings = self.settings = run.settings
        self.classes, self.teaching = dataset.classes, teaching
        if teaching and (teaching.unlabelled or teaching.settings.mixing):
            raise UsageError(
                "--unlabelled, --mixing: are for frames, a decoder learns from the trials of its session; leave them out"
            )
        soft = teaching is not None and teaching.settings.soft_weight
        self.order = class_order(teaching.teacher.classes, dataset.classes) if teaching and soft else ()
        self.trials = {name: read_trials(part) for name, part in parts.items()}
        self.data = TrialData(
            training=self.trials["training"],
            validation=self.trials["validation"],
            batch_size=min(settings.batch_size, max(SMALLEST_BATCH, len(self.trials["training"]) // STEPS)),
            seed=settings.seed,
            taught=teaching is not None,
        )
        read = sum(map(len, parts.values()))
        progress(Progress(stage="reading", done=read, total=read))

    def scores(self, network: nn.Module) -> dict[str, Any]:
        """FrameScores of "validation" and "test", in plain values."""
        metric = self.settings.entry.primary_metric
        return {
            name: to_json(score_trials(network, self.trials[name], self.classes, metric))
            for name in ("validation", "test")
        }

    def learner(self, network: nn.Module) -> Learner:
        """With a lesson where there is a teacher. Raises DataError for a class without training trials."""
        teaching = self.teaching
        lesson = _lesson(teaching, network, self.data, self.order) if teaching else None
        network.train()
        return ResponseLearner(
            network,
            seed=self.settings.seed,
            weights=class_weights(self.trials["training"].targets, self.classes),
            lesson=lesson,
            teacher=teaching.teacher if teaching else None,
            **self.settings.optimisation,
        )

    def finished(self, learner: Learner) -> tuple[nn.Module, dict[str, Any]]:
        """The trained network itself, and what metrics.json says of a lesson."""
        lesson = {"lesson": learner.lesson_history, **self.teaching.notes} if self.teaching else {}
        return learner.network, lesson


class ResponseLearner(Learner):
    """network: (batch, neuron) -> logits (batch, class). Labels are smoothed. seed: of what dropout takes away. The rest is Learner's."""

    memory_format = torch.contiguous_format

    def __init__(self, network: nn.Module, *, seed: int, **rest: Any) -> None:
        super().__init__(network, **rest)
        self.seed = seed

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """What dropout takes away depends on seed, epoch and batch alone, so that a resumed run repeats an uninterrupted one."""
        torch.manual_seed(int(np.random.default_rng((self.seed, self.current_epoch, batch_idx)).integers(2**62)))

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy with one weight a class."""
        return nn.functional.cross_entropy(logits, targets, self.weights, label_smoothing=SMOOTHING)


@torch.no_grad()
def score_trials(network: nn.Module, trials: Trials, classes: tuple[str, ...], metric: str) -> FrameScores:
    """Scores of `network`, in evaluation mode afterwards; on the CPU in float32. metric: the primary one."""
    network.eval()
    parts = torch.split(torch.from_numpy(trials.responses), BATCH)
    predicted = np.concatenate([network(part).argmax(1).numpy() for part in parts])
    return frame_scores(trials.targets, predicted, trials.groups, classes, metric)


def _lesson(teaching: Teaching, network: nn.Module, data: TrialData, order: tuple[int, ...]) -> Lesson:
    responses, _, view = data.example()
    return Lesson(teaching.settings, network, images=responses, lecture=teaching.teacher(view), order=order)
