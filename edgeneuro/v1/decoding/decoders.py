"""The table of decoders: each a pipeline of named steps, made for the data it will be fitted to.

`reduce` (what is kept of the responses), `balance` (SMOTE, Chawla et al. 2002, 10.1613/jair.953) and `classify`. The pipeline is
imbalanced-learn's: SMOTE acts on what `fit` is given, never on what is predicted. Where a decoder has no reduction of its own and there
are more than MANY columns, principal components stand in its place, for neighbours and trees among 10,000 neurons cost hours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from imblearn.over_sampling import SMOTE
from imblearn.pipeline import Pipeline
from sklearn.decomposition import PCA, FactorAnalysis, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, f_classif
from sklearn.linear_model import RidgeClassifier
from sklearn.tree import DecisionTreeClassifier

from edgeneuro.errors import DataError
from edgeneuro.v1.decoding.search import ModelSearch

MANY, COMPONENTS = 512, 256
SELECTED, EXTRACTED = 1000, 100
DEPTH, FOREST, BOOSTS = 5, 500, 50
NEIGHBOURS = 5
TRIALS, SECONDS = 20, 600
"""Of the model search, each time it is fitted, whichever comes first."""


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """What a decoder will be fitted to: trials and columns of the training part, trials of its smallest class; and the seed."""

    trials: int
    columns: int
    smallest: int
    seed: int


Make = Callable[[Fitting], Any]


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """title: for tables. grouped: whether the last step divides what it is fitted to, and has to be told the groups."""

    title: str
    classify: Make
    reduce: Make | None = None
    smote: bool = True
    grouped: bool = False

    def pipeline(self, fitting: Fitting) -> Any:
        """Unfitted. Raises DataError where SMOTE has no neighbours to draw from."""
        reduce = self.reduce or (_components if fitting.columns > MANY else None)
        steps = [] if reduce is None else [("reduce", reduce(fitting))]
        if self.smote:
            steps.append(("balance", _smote(fitting)))
        return Pipeline([*steps, ("classify", self.classify(fitting))])


def _smote(fitting: Fitting) -> Any:
    if fitting.smallest < 2:
        raise DataError(
            "SMOTE: the smallest class has 1 trial for training, expected 2 or more to draw between; merge it with another class"
        )
    return SMOTE(k_neighbors=min(NEIGHBOURS, fitting.smallest - 1), random_state=fitting.seed)


def _components(fitting: Fitting) -> Any:
    return PCA(min(COMPONENTS, fitting.trials), random_state=fitting.seed)


def _extracted(fitting: Fitting) -> int:
    return min(EXTRACTED, fitting.columns - 1, fitting.trials - 1)


def _selected(fitting: Fitting) -> int:
    """At most half of the columns, so that there is a choice."""
    return max(1, min(SELECTED, fitting.columns // 2))


def _forest(fitting: Fitting, trees: int = FOREST) -> Any:
    return RandomForestClassifier(trees, max_depth=DEPTH, random_state=fitting.seed)


def _boosting(fitting: Fitting) -> Any:
    try:
        from xgboost import XGBClassifier
    except ImportError as error:
        raise DataError(
            "decoder boosting: needs xgboost, which is not installed; run: pip install 'edgeneuro[recordings]'"
        ) from error
    return XGBClassifier(max_depth=DEPTH, random_state=fitting.seed)


def _adaboost(fitting: Fitting) -> Any:
    return AdaBoostClassifier(DecisionTreeClassifier(max_depth=DEPTH), n_estimators=BOOSTS, random_state=fitting.seed)


def _lda(fitting: Fitting) -> Any:
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")


def _search(fitting: Fitting) -> Any:
    return ModelSearch(trials=TRIALS, seconds=SECONDS, random_state=fitting.seed)


def _univariate(fitting: Fitting) -> Any:
    return SelectKBest(f_classif, k=_selected(fitting))


def _elimination(fitting: Fitting) -> Any:
    return RFE(RidgeClassifier(), n_features_to_select=_selected(fitting), step=0.25)


def _gain(fitting: Fitting) -> Any:
    """By the impurity that splits on a column take away, over a forest."""
    return SelectFromModel(_forest(fitting, trees=100), max_features=_selected(fitting), threshold=-float("inf"))


def _svd(fitting: Fitting) -> Any:
    return TruncatedSVD(_extracted(fitting), random_state=fitting.seed)


def _factors(fitting: Fitting) -> Any:
    """Until a step gains less than 1 in log-likelihood over all trials."""
    return FactorAnalysis(_extracted(fitting), tol=1.0, random_state=fitting.seed)


def _incremental(fitting: Fitting) -> Any:
    return IncrementalPCA(_extracted(fitting), batch_size=5 * EXTRACTED)


def _principal(fitting: Fitting) -> Any:
    return PCA(_extracted(fitting), random_state=fitting.seed)


_on_forest = partial(Decoder, classify=_forest)

DECODERS: Mapping[str, Decoder] = {
    "lda": Decoder(title="linear discriminants, shrunk (Ledoit-Wolf)", classify=_lda, smote=False),
    "forest": _on_forest(title=f"random forest, {FOREST} trees of depth {DEPTH}"),
    "boosting": Decoder(title=f"XGBoost, depth {DEPTH}", classify=_boosting),
    "adaboost": Decoder(title=f"AdaBoost, {BOOSTS} trees of depth {DEPTH}", classify=_adaboost),
    "search": Decoder(
        title=f"model search, {TRIALS} draws or {SECONDS} s", classify=_search, smote=False, grouped=True
    ),
    "forest-univariate": _on_forest(title="random forest on columns chosen one by one (F test)", reduce=_univariate),
    "forest-elimination": _on_forest(title="random forest on columns left by elimination (ridge)", reduce=_elimination),
    "forest-gain": _on_forest(title="random forest on columns chosen by tree gain", reduce=_gain),
    "forest-svd": _on_forest(title="random forest on a truncated SVD", reduce=_svd),
    "forest-factors": _on_forest(title="random forest on factors", reduce=_factors),
    "forest-incremental": _on_forest(title="random forest on incremental principal components", reduce=_incremental),
    "forest-pca": _on_forest(title="random forest on principal components", reduce=_principal),
}


def decoder_named(name: str) -> Decoder:
    """Raises DataError with the known names."""
    if name not in DECODERS:
        raise DataError(f"decoder {name!r}: is not known; expected one of {', '.join(DECODERS)}")
    return DECODERS[name]
