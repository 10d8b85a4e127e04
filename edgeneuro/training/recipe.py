"""What the settings of a run make of it: the network that is trained, its batches, its loss, and the classifier that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgeneuro.data import DataSet
from edgeneuro.models.build import build_model
from edgeneuro.models.morphology import MorphologyNet
from edgeneuro.models.skin import SiameseNet, SkinNet
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import to_json
from edgeneuro.training.checkpoint import Initial
from edgeneuro.training.frames import Frames, TrainingData
from edgeneuro.training.initial import load_initial
from edgeneuro.training.learner import Learner, class_weights
from edgeneuro.training.lesson import Lesson
from edgeneuro.training.paired import PairedData
from edgeneuro.training.pairs import class_shares
from edgeneuro.training.reading import RunFrames
from edgeneuro.training.run import Run
from edgeneuro.training.self_cure import SelfCureLearner, cured
from edgeneuro.training.settings import TrainSettings
from edgeneuro.training.siamese import AverageOfBoth, SiameseLearner, balancing, compare_branches
from edgeneuro.training.start import Trainee
from edgeneuro.training.teaching import Teacher


def fresh(run: Run, dataset: DataSet) -> tuple[Trainee, Initial | None]:
    """The model of the table with new weights, or with those that the settings name; where it learns from pairs, two of them
    under one extractor; where it weighs its samples, with the head that does. Its finish takes what `classifier_of` makes of it.
    Raises UsageError, CheckpointError, DataError.
    """
    cure = run.settings.self_cure
    network, initial = _built(run, dataset, **({"quality": True} if cure and cure.weights else {}))
    siamese = run.settings.siamese
    if siamese and siamese.pairs:
        network = SiameseNet(_deployed(network), None if siamese.shared else _deployed(_built(run, dataset)[0]))
    return Trainee(network=network, finish=lambda classifier: (classifier, None)), initial


def _built(run: Run, dataset: DataSet, **more: Any) -> tuple[nn.Module, Initial | None]:
    """more: options of the builder beside those of the settings."""
    settings, entry = run.settings, run.settings.entry
    options = {**settings.options, **more}
    network = build_model(settings.model, classes=len(dataset.classes), channels=settings.input_channels, **options)
    return network, load_initial(network, entry, settings.initial, dataset, run.split) if settings.initial else None


def _deployed(network: nn.Module) -> SkinNet:
    assert isinstance(network, SkinNet)
    return network


def training_data(settings: TrainSettings, read: RunFrames, preprocess: Preprocess, *, mixing: float) -> TrainingData:
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


def learner_of(
    network: nn.Module,
    settings: TrainSettings,
    targets: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    lesson: Lesson | None,
    teacher: Teacher | None,
) -> Learner:
    """targets: (frame,) class numbers of the labelled training frames. Raises DataError for a class without any."""
    weights, siamese = class_weights(targets, classes), settings.siamese
    how: dict[str, Any] = {
        "optimiser": settings.entry.optimiser,
        "learning_rate": settings.top_learning_rate,
        "weight_decay": settings.entry.weight_decay,
        "epochs": settings.epochs,
    }
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
        teacher=teacher,
        **how,
    )


def classifier_of(
    learner: Learner,
    settings: TrainSettings,
    frames: Mapping[str, Frames],
    preprocess: Preprocess,
    classes: tuple[str, ...],
    scores: Callable[[nn.Module], dict[str, Any]],
) -> tuple[nn.Module, dict[str, Any]]:
    """The trained network itself, the better one of its branches, or what is left without the head that weighed its samples; and
    what metrics.json says of branches and weights.

    frames: "training" and "validation". scores: of a classifier, on validation and test frames.
    """
    network = learner.network
    if isinstance(learner, SelfCureLearner) and isinstance(network, MorphologyNet):
        seen = cured(network, learner.labels, frames["training"], preprocess, classes)
        kept = network if settings.options.get("quality") else network.without_quality()
        return kept, {"self_cure": to_json(seen)}
    if not isinstance(network, SiameseNet):
        return network, {}
    assert settings.siamese is not None
    branches = compare_branches(network, frames["validation"], preprocess, settings.siamese, settings.seed)
    either = (network.keep(1), network.keep(2))
    compared = zip(("first", "second", "average"), (*either, AverageOfBoth(network)), strict=True)
    notes = {"kept": branches.kept, **to_json(branches), **{name: scores(one) for name, one in compared}}
    return either[branches.kept - 1], {"branches": notes}
