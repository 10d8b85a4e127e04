"""What the study on skin lesions trains: the siamese network, its ablations, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeneuro.benchmarks.feature_fold import feature_fold
from edgeneuro.benchmarks.out_of_fold import Fold
from edgeneuro.benchmarks.trained_fold import trained_fold
from edgeneuro.data import DataSet
from edgeneuro.data.make_split import make_split
from edgeneuro.errors import UsageError
from edgeneuro.records import to_json
from edgeneuro.training.fit import train
from edgeneuro.training.settings import SiameseSettings, TrainSettings

EPOCHS: Mapping[float, int] = {1.0: 20, 0.25: 40, 0.1: 60, 0.05: 80}
"""Share of the training lesions -> epochs: fewer lesions are seen more often, all runs end on a learning rate near 0."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run. share: of the training lesions. folder: of checkpoints and features of this data set."""

    data: str
    folder: Path
    fold: int
    share: float
    seed: int
    image_size: int
    threads: int

    @property
    def epochs(self) -> int:
        """Raises UsageError for a share that is not planned."""
        if self.share not in EPOCHS:
            raise UsageError(f"--share {self.share}: expected one of {', '.join(map(str, EPOCHS))}")
        return EPOCHS[self.share]


Run = Callable[[str, Job, DataSet], Fold]
"""Called with the name of the table's graph."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """settings: what decides the numbers beside the job."""

    name: str
    title: str
    run: Run
    settings: Mapping[str, Any]


def _network(name: str, title: str, model: str, *, engine: bool = False, **settings: Any) -> Variant:
    """settings: of TrainSettings. engine: whether its INT8 engine is scored too, where it learnt from all lesions."""

    def run(graph: str, job: Job, dataset: DataSet) -> Fold:
        wanted = TrainSettings(
            model=model,
            data=job.data,
            fold=job.fold,
            seed=job.seed,
            epochs=job.epochs,
            patience=job.epochs,
            image_size=job.image_size,
            training_share=job.share,
            **settings,
        )
        folder = job.folder / graph / f"fold{job.fold}"
        trained = train(wanted, folder, resume=True, threads=job.threads)
        split = make_split(dataset, fold=job.fold, seed=job.seed)
        scored = engine and job.share == 1.0
        fold = trained_fold(trained, graph, dataset, split, engine=scored, threads=job.threads, seed=job.seed)
        branches = trained.metrics.get("branches")
        kept = {key: branches[key] for key in BRANCH_FACTS} if branches else {}
        return replace(fold, facts={**fold.facts, **kept})

    return Variant(name=name, title=title, run=run, settings={"model": model, **to_json(settings)})


def _features(name: str, title: str, features: str, classifier: str) -> Variant:
    def run(graph: str, job: Job, dataset: DataSet) -> Fold:
        split = make_split(dataset, fold=job.fold, seed=job.seed, training_share=job.share)
        return feature_fold(graph, dataset, split, job.folder, features=features, classifier=classifier, seed=job.seed)

    return Variant(name=name, title=title, run=run, settings={"features": features, "classifier": classifier})


BRANCH_FACTS = ("kept", "first_loss", "second_loss", "average_loss", "discriminator_accuracy")

VARIANTS: Mapping[str, Variant] = {
    variant.name: variant
    for variant in (
        _network("siamese", "siamese, the better branch", "skin", engine=True, siamese=SiameseSettings()),
        _network(
            "siamese-no-discriminator",
            "without discriminator (C = 0)",
            "skin",
            siamese=SiameseSettings(discriminator_weight=0.0),
        ),
        _network("siamese-shared", "branches share their weights", "skin", siamese=SiameseSettings(shared=True)),
        _network("siamese-cross-entropy", "cross-entropy for focal loss", "skin", siamese=SiameseSettings(gamma=0.0)),
        _network("one-branch", "one branch, no pairs", "skin", siamese=SiameseSettings(pairs=False)),
        _network("resnet18", "ResNet-18", "resnet18", channels=3, augmentation="photograph"),
        _features("knn", "nearest neighbours on colour and texture", "colour_texture", "knn"),
        _features("svm", "support vector machine on colour and texture", "colour_texture", "svm"),
        _features("logistic", "logistic regression on colour and texture", "colour_texture", "logistic"),
        _features("logistic-lite0", "logistic regression on ImageNet features", "lite0", "logistic"),
    )
}
"""In the order of the tables; the first is what the others are compared with."""

ABLATIONS = ("siamese", "siamese-no-discriminator", "siamese-shared", "siamese-cross-entropy", "one-branch")
CURVE = ("siamese", "one-branch", "resnet18", "knn", "svm", "logistic", "logistic-lite0")


def variant_named(name: str) -> Variant:
    """Raises UsageError with the known names."""
    if name not in VARIANTS:
        raise UsageError(f"--variant {name}: is not known, expected one of {', '.join(VARIANTS)}")
    return VARIANTS[name]
