"""What the study on neuron morphology compares: networks that look at pictures, and classifiers on measures of shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.baselines import cached, fitted_fold
from edgeneuro.benchmarks.feature_fold import CLASSIFIERS
from edgeneuro.benchmarks.morphometrics import BLIND, PLACED, TYPED, morphometrics
from edgeneuro.benchmarks.out_of_fold import Fold
from edgeneuro.benchmarks.predictors import open_predictor
from edgeneuro.benchmarks.scoring import Probabilities
from edgeneuro.benchmarks.trained_fold import trained_fold
from edgeneuro.data import DataSet
from edgeneuro.data.make_split import make_split
from edgeneuro.data.sample import Sample
from edgeneuro.drawing import Drawing, View
from edgeneuro.errors import UsageError
from edgeneuro.records import to_json
from edgeneuro.training.fit import train
from edgeneuro.training.settings import Precision, SelfCureSettings, TrainSettings

SIDES = 8
"""From which a network looks at a neuron in a test with several, evenly about the axis to the pia."""
SIDES_TABLE = "-sides"
"""Ending of the table of a network that looked from several sides."""
FLOOR = 1e-3
"""Of a probability whose logarithm is taken: a forest says 0 of what none of its trees has seen."""
FOREST_GRID = {"min_samples_leaf": [1, 3]}
TREES = 200


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run. folder: of checkpoints and measures. label_noise: share of the training labels that are wrong. initial: as of
    TrainSettings. precision: what networks multiply in while they learn."""

    data: str
    folder: Path
    fold: int
    seed: int
    label_noise: float
    image_size: int
    epochs: int
    initial: str | None
    threads: int
    precision: Precision = "float32"


Run = Callable[[str, Job, DataSet], Fold]
"""Called with the name of the table's graph."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """settings: what decides the numbers beside the job. drawing: of a network, what it looks at but for the size."""

    name: str
    title: str
    run: Run
    settings: Mapping[str, Any]
    drawing: Drawing | None = None


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What is added to a plain ResNet-18. reconstruction: as the model's builder takes it."""

    title: str
    reconstruction: str
    cure: SelfCureSettings


ARMS: Mapping[str, Arm] = {
    "plain": Arm(title="ResNet-18", reconstruction="none", cure=SelfCureSettings(weights=False)),
    "fr": Arm(title="+ feature reconstruction", reconstruction="bottleneck", cure=SelfCureSettings(weights=False)),
    "cure": Arm(title="+ self-cure", reconstruction="none", cure=SelfCureSettings()),
    "both": Arm(title="+ both", reconstruction="bottleneck", cure=SelfCureSettings()),
    "relabel": Arm(title="+ both, relabelling", reconstruction="bottleneck", cure=SelfCureSettings(relabel_margin=0.2)),
}
"""The paper's margin of relabelling."""

PICTURES: Mapping[str, Drawing] = {
    "wide": Drawing(variant="xyalign", window_um=1000.0),
    "xyalign": Drawing(variant="xyalign"),
    "resample": Drawing(variant="resample"),
    "raw": Drawing(variant="raw"),
}
"""The paper's three variants, and one whose window holds the largest cells."""
ABLATION = ("plain", "fr", "cure", "both")
NOISE_ARMS = ("plain", "cure", "both", "relabel")


def _network(arm: str, pictures: str, view: View) -> Method:
    drawing, added = replace(PICTURES[pictures], view=view), ARMS[arm]
    settings = {"reconstruction": added.reconstruction, "self_cure": to_json(added.cure), "sides": SIDES}
    return Method(
        name=f"{pictures}-{view}-{arm}",
        title=f"{pictures}, {view}: {added.title}",
        run=partial(_train, arm=added, drawing=drawing),
        settings={
            "model": "morphology",
            "variant": drawing.variant,
            "view": view,
            "window_um": drawing.window_um,
            **settings,
        },
        drawing=drawing,
    )


def _pretrained(pictures: str, view: View) -> Method:
    """EfficientNet-Lite0, whose weights have seen ImageNet's photographs: none of ResNet-18 can be had here."""
    drawing = replace(PICTURES[pictures], view=view)
    return Method(
        name=f"{pictures}-{view}-lite0",
        title=f"{pictures}, {view}: EfficientNet-Lite0 from ImageNet weights",
        run=partial(_train_lite0, drawing=drawing),
        settings={
            "model": "efficientnet-lite0",
            "variant": drawing.variant,
            "view": view,
            "window_um": drawing.window_um,
            "sides": SIDES,
        },
        drawing=drawing,
    )


def _train(graph: str, job: Job, dataset: DataSet, *, arm: Arm, drawing: Drawing) -> Fold:
    wanted = replace(
        _settings("morphology", job, drawing),
        initial=job.initial,
        self_cure=arm.cure,
        options={"reconstruction": arm.reconstruction},
    )
    return _judged(graph, job, dataset, wanted)


def _train_lite0(graph: str, job: Job, dataset: DataSet, *, drawing: Drawing) -> Fold:
    wanted = replace(_settings("efficientnet-lite0", job, drawing), initial="imagenet", augmentation="neuron")
    return _judged(graph, job, dataset, wanted)


def _settings(model: str, job: Job, drawing: Drawing) -> TrainSettings:
    return TrainSettings(
        model=model,
        data=job.data,
        fold=job.fold,
        seed=job.seed,
        epochs=job.epochs,
        patience=job.epochs,
        image_size=job.image_size,
        drawing=replace(drawing, side_px=job.image_size),
        label_noise=job.label_noise,
        precision=job.precision,
    )


def _judged(graph: str, job: Job, dataset: DataSet, wanted: TrainSettings) -> Fold:
    trained = train(wanted, job.folder / graph / f"fold{job.fold}", resume=True, threads=job.threads)
    split = make_split(dataset, fold=job.fold, seed=job.seed)
    fold = trained_fold(trained, graph, dataset, split, engine=False, threads=job.threads, seed=job.seed)
    bundle = trained.folder.with_suffix(".edge")
    several = from_several_sides(bundle, dataset, split.part(dataset.samples, "test"), job.threads)
    cure = cure_facts(trained.metrics, split.part(dataset.samples, "training"), dataset.classes)
    return replace(fold, tables={**fold.tables, f"{graph}{SIDES_TABLE}": several}, facts={**fold.facts, **cure})


def cure_facts(metrics: Mapping[str, Any], training: Sequence[Sample], classes: Sequence[str]) -> dict[str, Any]:
    """What the weights made of wrong labels, for a run that had both; else nothing.

    right_above_wrong: chance that a rightly labelled training neuron weighs more than a wrongly labelled one, 0.5 where the
    weights know nothing. relabelled: how many got another label in the end, restored: how many of them their own again.
    """
    wrong = set(metrics.get("mislabelled", ()))
    if "self_cure" not in metrics or not wrong:
        return {}
    quality = np.array(metrics["self_cure"]["quality"])
    is_wrong = np.isin(np.arange(len(quality)), list(wrong))
    above = quality[~is_wrong][:, None] - quality[is_wrong][None]
    given = {int(row): name for row, name in metrics["self_cure"]["relabelled"].items()}
    restored = sum(row in wrong and training[row].target == classes.index(name) for row, name in given.items())
    return {
        "right_above_wrong": float(np.mean((above > 0) + 0.5 * (above == 0))),
        "relabelled": len(given),
        "restored": restored,
    }


def from_several_sides(bundle: Path, dataset: DataSet, samples: Sequence[Sample], threads: int) -> Probabilities:
    """(neuron, class) of a bundle: mean of log-probabilities over SIDES sides."""
    with open_predictor(bundle, threads=threads) as predictor:
        assert predictor.drawing is not None and predictor.classes is not None
        graph, drawing = predictor.graphs["fp32"], predictor.drawing
        order = [predictor.classes.index(name) for name in dataset.classes]
        seen = [
            [graph(drawing(dataset.neuron(sample), pose)).probabilities[order] for pose in poses(SIDES)]
            for sample in samples
        ]
    return fused([np.array(side) for side in zip(*seen, strict=True)])


def poses(sides: int) -> list[NDArray[np.float64]]:
    """(3, 3) rotations about y, the axis to the pia, the first of them none."""
    angles = 2.0 * np.pi * np.arange(sides) / sides
    return [np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]) for a in angles]


def fused(tables: Sequence[Probabilities]) -> Probabilities:
    """(neuron, class): the geometric mean of `tables`, no probability of theirs below FLOOR."""
    logs = np.mean([np.log(np.maximum(table, FLOOR)) for table in tables], axis=0)
    shares: Probabilities = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    return shares


def _features(name: str, title: str, columns: Sequence[int], classifier: str) -> Method:
    def run(graph: str, job: Job, dataset: DataSet) -> Fold:
        split = make_split(dataset, fold=job.fold, seed=job.seed)
        table = cached(job.folder / "morphometrics.npy", partial(_measured, dataset), dataset.samples)
        make, grid, probabilities = CLASSIFIERS["svm"] if classifier == "svm" else FOREST
        made = make() if classifier == "svm" else make().set_params(random_state=job.seed, n_jobs=job.threads)
        return fitted_fold(graph, dataset, split, table[:, list(columns)], made, grid, job.seed, probabilities)

    trees = {"trees": TREES} if classifier == "forest" else {}
    settings = {"features": len(columns), "classifier": classifier, **trees}
    return Method(name=name, title=title, run=run, settings=settings)


def _measured(dataset: DataSet, samples: Sequence[Sample]) -> NDArray[np.float32]:
    return np.stack([morphometrics(dataset.neuron(sample)) for sample in samples])


def _forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(TREES, class_weight="balanced_subsample")


def _shares(fitted: Any, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = fitted.predict_proba(rows)
    return shares


FOREST = (_forest, FOREST_GRID, _shares)

FEATURE_METHODS = (
    _features("forest-placed", "random forest on 79 measures, by type of neurite and place", PLACED, "forest"),
    _features("forest-typed", "random forest on 55 measures, by type", TYPED, "forest"),
    _features("forest-blind", "random forest on the 19 measures, blind to types", BLIND, "forest"),
    _features("svm-placed", "support vector machine on 79 measures, by type and place", PLACED, "svm"),
    _features("svm-typed", "support vector machine on 55 measures, by type", TYPED, "svm"),
    _features("svm-blind", "support vector machine on the 19 measures, blind to types", BLIND, "svm"),
)
REFERENCE = FEATURE_METHODS[0].name
"""What every other method is compared with, and what networks are fused with."""

VIEWS: tuple[View, ...] = ("type", "rgb", "xyz")
NETWORKS = tuple(_network(arm, pictures, view) for pictures in PICTURES for view in VIEWS for arm in ABLATION)
NOISY = tuple(_network(arm, "wide", "type") for arm in NOISE_ARMS)

PRETRAINED = tuple(_pretrained("wide", view) for view in VIEWS)

METHODS: Mapping[str, Method] = {method.name: method for method in (*FEATURE_METHODS, *NETWORKS, *PRETRAINED, *NOISY)}
"""In the order of the tables."""


def method_named(name: str) -> Method:
    """Raises UsageError with the known names."""
    if name not in METHODS:
        raise UsageError(f"--method {name}: is not known, expected one of {', '.join(METHODS)}")
    return METHODS[name]
