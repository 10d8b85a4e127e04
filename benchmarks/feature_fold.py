"""Classical classifiers on features of a lesion, as methods of a study: a split in, probabilities of its test part out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.benchmarks.baselines import cached, fitted_fold
from edgeneuro.benchmarks.classical import SVM_GRID, scores_as_probabilities
from edgeneuro.benchmarks.lesion_features import colour_texture
from edgeneuro.benchmarks.lite0 import PROBE_GRID, lite0_features, lite0_macs, probe
from edgeneuro.benchmarks.out_of_fold import Fold
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.split import Split

NEIGHBOURS_GRID = {"kneighborsclassifier__n_neighbors": [1, 3, 5, 9, 15]}


def feature_fold(
    name: str, dataset: DataSet, split: Split, cache: Path, *, features: str, classifier: str, seed: int
) -> Fold:
    """Learns from the training part alone, settings chosen on groups within it. features: key of FEATURES, classifier: of
    CLASSIFIERS."""
    table = cached(cache / f"{features}.npy", lambda samples: FEATURES[features](dataset, samples), dataset.samples)
    make, grid, probabilities = CLASSIFIERS[classifier]
    fold = fitted_fold(name, dataset, split, table, make(), grid, seed, probabilities, learn=("training",))
    return replace(fold, facts={**fold.facts, "macs": lite0_macs() if features == "lite0" else None})


def _colour_texture(dataset: DataSet, samples: Sequence[Sample]) -> NDArray[np.float32]:
    return np.stack([colour_texture(dataset.read(sample)) for sample in samples])


def _neighbours() -> Any:
    """A class that is rare among the neighbours counts for more the nearer they are; it has no class weights."""
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), KNeighborsClassifier(weights="distance"))


def _svm() -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    balanced = SVC(kernel="rbf", class_weight="balanced", decision_function_shape="ovr", break_ties=True)
    return make_pipeline(StandardScaler(), balanced)


def _probabilities(fitted: Any, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = fitted.predict_proba(rows)
    return shares


def _decisions(fitted: Any, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    return scores_as_probabilities(fitted.decision_function(rows))


FEATURES: Mapping[str, Callable[[DataSet, Sequence[Sample]], NDArray[np.float32]]] = {
    "colour_texture": _colour_texture,
    "lite0": lite0_features,
}
CLASSIFIERS: Mapping[
    str, tuple[Callable[[], Any], Mapping[str, Sequence[float]], Callable[..., NDArray[np.float64]]]
] = {
    "knn": (_neighbours, NEIGHBOURS_GRID, _probabilities),
    "svm": (_svm, SVM_GRID, _decisions),
    "logistic": (probe, PROBE_GRID, _probabilities),
}
