"""Training a classifier: frames of one size in memory, their class numbers, a teacher where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgeneuro.data import DataSet
from edgeneuro.models.morphology import MorphologyNet
from edgeneuro.models.skin import SiameseNet
from edgeneuro.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from edgeneuro.records import to_json
from edgeneuro.training.frames import Frames, TrainingData, normalised_for
from edgeneuro.training.initial import is_weights_file
from edgeneuro.training.keeper import OnProgress, Watched
from edgeneuro.training.learner import Learner, class_weights
from edgeneuro.training.lesson import Lesson
from edgeneuro.training.paired import PairedData
from edgeneuro.training.pairs import class_shares
from edgeneuro.training.reading import RunFrames, read_run
from edgeneuro.training.run import Run
from edgeneuro.training.score import score
from edgeneuro.training.self_cure import SelfCureLearner, cured
from edgeneuro.training.settings import TrainSettings
from edgeneuro.training.siamese import AverageOfBoth, SiameseLearner, balancing, compare_branches
from edgeneuro.training.start import Start
from edgeneuro.training.teaching import Teaching, class_order


class Classification:
    """What edgeneuro.training.recipe.Work asks for, of single frames, of pairs, or of frames that are weighed.

    parts: "training", "validation" and "test" of `dataset`. Reads every frame; raises DataError, FrameError, UsageError.
    """

    def __init__(
        self,
        run: Run,
        dataset: DataSet,
        parts: Mapping[str, DataSet],
        *,
        start: Start | None,
        teaching: Teaching | None,
        progress: OnProgress,
    ) -> None:
        settings = self.settings = run.settings
        self.classes, self.teaching = dataset.classes, teaching
        self.labelled = parts["training"]
        plain = Preprocess(
            height=settings.side_px,
            width=settings.side_px,
            channels=settings.input_channels,
            drawing=dataset.drawing if dataset.has_neurons else None,
        )
        soft = teaching is not None and teaching.settings.soft_weight
        self.order = class_order(teaching.teacher.classes, dataset.classes) if teaching and soft else ()
        read = read_run(
            dataset,
            run.split,
            parts,
            plain,
            teaching,
            progress,
            label_noise=settings.label_noise,
            seed=settings.seed,
        )
        self.frames = read.labelled
        self.preprocess = (
            start.preprocess if start and start.preprocess else _normalised(plain, settings, self.frames["training"])
        )
        self.data = _training_data(
            settings, read, self.preprocess, mixing=teaching.settings.mixing if teaching else 0.0
        )

    @property
    def watch(self) -> Watched:
        """By what the best epoch is known."""
        return "validation_loss" if self.settings.siamese else "macro_f1"

    def scores(self, network: nn.Module) -> dict[str, Any]:
        """FrameScores of "validation" and "test", in plain values."""
        metric = self.settings.entry.primary_metric
        return {
            name: to_json(score(network, self.frames[name], self.preprocess, self.classes, metric))
            for name in ("validation", "test")
        }

    def learner(self, network: nn.Module) -> Learner:
        """With a lesson where there is a teacher. Raises DataError for a class without training frames."""
        lesson = _lesson(self.teaching, network, self.data, self.order) if self.teaching else None
        network.train()
        return _learner_of(
            network, self.settings, self.frames["training"].targets, self.classes, lesson=lesson, teaching=self.teaching
        )

    def finished(self, learner: Learner) -> tuple[nn.Module, dict[str, Any]]:
        """The classifier that comes of a trained network, and what metrics.json says beside its scores."""
        network, notes = self._classifier_of(learner)
        lesson = {"lesson": learner.lesson_history, **self.teaching.notes} if self.teaching else {}
        noise = {"mislabelled": self._mislabelled()} if self.settings.label_noise else {}
        return network, {**lesson, **notes, **noise}

    def _classifier_of(self, learner: Learner) -> tuple[nn.Module, dict[str, Any]]:
        """The trained network itself, the better one of its branches, or what is left without the head that weighed its samples;
        and what metrics.json says of branches and weights."""
        network, settings = learner.network, self.settings
        if isinstance(learner, SelfCureLearner) and isinstance(network, MorphologyNet):
            seen = cured(network, learner.labels, self.frames["training"], self.preprocess, self.classes)
            kept = network if settings.options.get("quality") else network.without_quality()
            return kept, {"self_cure": to_json(seen)}
        if not isinstance(network, SiameseNet):
            return network, {}
        assert settings.siamese is not None
        validation = self.frames["validation"]
        branches = compare_branches(network, validation, self.preprocess, settings.siamese, settings.seed)
        either = (network.keep(1), network.keep(2))
        compared = zip(("first", "second", "average"), (*either, AverageOfBoth(network)), strict=True)
        notes = {"kept": branches.kept, **to_json(branches), **{name: self.scores(one) for name, one in compared}}
        return either[branches.kept - 1], {"branches": notes}

    def _mislabelled(self) -> list[int]:
        """Numbers of the training frames that learnt from another label than their own."""
        targets = self.frames["training"].targets
        return [row for row, sample in enumerate(self.labelled.samples) if sample.target != targets[row]]


def _training_data(settings: TrainSettings, read: RunFrames, preprocess: Preprocess, *, mixing: float) -> TrainingData:
    """Single frames, with the teacher's view where there is one, or with their numbers; or pairs. mixing: as of
    AugmentedBatches."""
    frames: dict[str, Any] = {
        "training": read.training,
        "validation": read.labelled["validation"],
        "preprocess": preprocess,
        "batch_size": settings.batch_size,
        "seed": settings.seed,
        "augment": settings.augment,
    }
    if settings.siamese and settings.siamese.pairs:
        return PairedData(**frames, positive_ratio=settings.siamese.positive_ratio)
    numbered = settings.self_cure is not None and settings.self_cure.weights
    return TrainingData(**frames, teacher=read.teacher, mixing=mixing, numbered=numbered)


def _learner_of(
    network: nn.Module,
    settings: TrainSettings,
    targets: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    lesson: Lesson | None,
    teaching: Teaching | None,
) -> Learner:
    """targets: (frame,) class numbers of the labelled training frames. Raises DataError for a class without any."""
    weights, siamese = class_weights(targets, classes), settings.siamese
    how = settings.optimisation
    if siamese and isinstance(network, SiameseNet):
        shares = class_shares(targets, len(classes), settings.batch_size, siamese.positive_ratio)
        return SiameseLearner(network, siamese, weights=balancing(shares, siamese), seed=settings.seed, **how)
    cure = settings.self_cure
    if cure and cure.weights and isinstance(network, MorphologyNet):
        return SelfCureLearner(network, cure, targets, weights=weights, **how)
    return Learner(
        network,
        weights=torch.ones_like(weights) if siamese and siamese.alpha == "none" else weights,
        gamma=siamese.gamma if siamese else 0.0,
        lesson=lesson,
        teacher=teaching.teacher if teaching else None,
        **how,
    )


def _lesson(teaching: Teaching, network: nn.Module, data: TrainingData, order: tuple[int, ...]) -> Lesson:
    """With adapters for the layers of `network` and the teacher, whose shapes one frame shows."""
    images, _, view = data.example()
    return Lesson(teaching.settings, network, images=images, lecture=teaching.teacher(view), order=order)


def _normalised(preprocess: Preprocess, settings: TrainSettings, frames: Frames) -> Preprocess:
    """With mean and deviation of the training frames, or of ImageNet for a model that can start from its weights."""
    from_file = settings.input_channels == 3 and settings.initial is not None and is_weights_file(settings.initial)
    if settings.entry.imagenet or from_file:
        return replace(preprocess, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return normalised_for(preprocess, frames)
