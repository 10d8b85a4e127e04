"""A small seeded search over scikit-learn's classifiers, in the place of auto-sklearn, which is no longer maintained."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import sklearn
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import PassiveAggressiveClassifier, SGDClassifier
from sklearn.model_selection import ParameterSampler, StratifiedGroupKFold, StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from edgeneuro.errors import DataError
from edgeneuro.spec import Array


def _passive_aggressive() -> Mapping[str, Any]:
    """Crammer et al. 2006, JMLR 7:551: since scikit-learn 1.8 a learning rate, before, which Python 3.10 has, a class."""
    size, weights = loguniform(1e-5, 1e1), [None, "balanced"]
    if tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 8):
        model = SGDClassifier(loss="hinge", penalty=None, learning_rate="pa1")
        return {"model": [model], "model__eta0": size, "model__class_weight": weights}
    return {"model": [PassiveAggressiveClassifier()], "model__C": size, "model__class_weight": weights}


SPACE: tuple[Mapping[str, Any], ...] = (
    {
        "model": [SGDClassifier()],
        "model__loss": ["hinge", "log_loss", "modified_huber"],
        "model__alpha": loguniform(1e-5, 1e1),
        "model__class_weight": [None, "balanced"],
    },
    _passive_aggressive(),
    {"model": [LinearDiscriminantAnalysis(solver="lsqr")], "model__shrinkage": ["auto", 0.1, 0.3, 0.9]},
    {
        "model": [KNeighborsClassifier()],
        "model__n_neighbors": [1, 3, 5, 9, 15],
        "model__metric": ["euclidean", "cosine"],
    },
    {"model": [GaussianNB()], "model__var_smoothing": loguniform(1e-9, 1e0)},
    {
        "model": [ExtraTreesClassifier(100)],
        "model__max_depth": [5, 10, None],
        "model__class_weight": [None, "balanced"],
    },
)


class ModelSearch(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The best of `trials` random draws from SPACE by cross-validated balanced accuracy, fitted to everything at the end.

    trials: at most so many draws; with the same random_state the same ones. seconds: no further draw begins after so long, which
    makes the result depend on the machine: `stopped_early_` says whether it happened. folds: of the cross-validation, fewer where a class
    has fewer trials or, with groups, where there are fewer groups.

    classes_; best_: the fitted pipeline; scores_: (trial,) balanced accuracy, in order of drawing; drawn_: their settings, in words.
    """

    def __init__(
        self, trials: int = 20, seconds: float | None = None, folds: int = 3, random_state: Any = None
    ) -> None:
        self.trials = trials
        self.seconds = seconds
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: Array, y: Array, groups: Array | None = None) -> ModelSearch:
        """X: (trial, column). y: (trial,). groups: (trial,), trials that the cross-validation must not divide."""
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(f"got {len(self.classes_)} class, expected two or more")
        if self.trials < 1:
            raise DataError(f"model search: got {self.trials} trials, expected 1 or more")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        began = time.monotonic()
        candidates: list[Pipeline] = []
        self.scores_: list[float] = []
        parts = self._parts(X, y, groups, seed)
        for settings in ParameterSampler(list(SPACE), self.trials, random_state=seed):
            if candidates and self.seconds is not None and time.monotonic() - began > self.seconds:
                break
            candidates.append(_candidate(settings, seed))
            self.scores_.append(_score(candidates[-1], X, y, parts))
        self.stopped_early_ = len(candidates) < self.trials
        self.drawn_ = [repr(candidate["model"]) for candidate in candidates]
        self.best_ = candidates[int(np.argmax(self.scores_))].fit(X, y)
        return self

    def predict(self, X: Array) -> Array:
        """(trial,) classes."""
        check_is_fitted(self)
        predicted: Array = self.best_.predict(validate_data(self, X, reset=False))
        return predicted

    def _parts(self, X: Array, y: Array, groups: Array | None, seed: int) -> list[tuple[Array, Array]]:
        """Training and test trials of each fold; none where a class has a single trial."""
        rarest = int(np.unique(y, return_counts=True)[1].min())
        count = min(self.folds, rarest if groups is None else min(rarest, len(np.unique(groups))))
        if count < 2:
            return []
        divide = StratifiedKFold if groups is None else StratifiedGroupKFold
        return list(divide(count, shuffle=True, random_state=seed).split(X, y, groups))


def _candidate(settings: Mapping[str, Any], seed: int) -> Pipeline:
    model = clone(settings["model"])
    model.set_params(**{name.removeprefix("model__"): value for name, value in settings.items() if name != "model"})
    if "random_state" in model.get_params():
        model.set_params(random_state=seed)
    return Pipeline([("scale", StandardScaler()), ("model", model)])


def _score(candidate: Pipeline, X: Array, y: Array, parts: list[tuple[Array, Array]]) -> float:
    """Mean balanced accuracy; 0 for a candidate that asks for more neighbours than there are trials, and without parts."""
    if not parts:
        return 0.0
    scores = cross_val_score(candidate, X, y, cv=parts, scoring="balanced_accuracy", error_score=0.0)
    return float(np.mean(scores))
