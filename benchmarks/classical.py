"""Baselines that train on features of a frame: HOG and LBP with a support vector machine, and the grouped search
for the settings of any such classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Frame

HOG_SIDE_PX = 128
PCA_COMPONENTS = 80
INNER_FOLDS = 4
SVM_GRID = {"svc__C": [0.03, 0.1, 0.3, 1.0, 3.0, 10.0]}
_SMALL = Preprocess(height=HOG_SIDE_PX, width=HOG_SIDE_PX)
_LBP_GRID = 4
_LBP_RINGS = ((8, 1.0), (16, 2.0))  # points, radius in px


def hog_lbp(frame: Frame) -> NDArray[np.float32]:
    """Shape and texture of one frame: 1,764 gradient orientations and 448 local binary patterns, float32.

    HOG: Dalal and Triggs 2005, 9 orientations, 16 px cells, 2 x 2 cells a block, on 128 x 128 px.
    LBP: Ojala 2002, rotation-invariant uniform patterns, histograms on a 4 x 4 grid.
    """
    from skimage.feature import hog, local_binary_pattern

    grey = _SMALL.resize(frame)
    parts = [hog(grey, orientations=9, pixels_per_cell=(16, 16), cells_per_block=(2, 2), block_norm="L2-Hys")]
    side = HOG_SIDE_PX // _LBP_GRID
    for points, radius in _LBP_RINGS:
        codes = local_binary_pattern(grey, points, radius, method="uniform").astype(np.int64)  # type: ignore[no-untyped-call]
        tiles = codes.reshape(_LBP_GRID, side, _LBP_GRID, side).swapaxes(1, 2).reshape(_LBP_GRID**2, -1)
        counts = np.stack([np.bincount(tile, minlength=points + 2) for tile in tiles])
        parts.append(np.sqrt(counts / counts.sum(1, keepdims=True)).ravel())  # Hellinger: counts as a distance
    return np.concatenate(parts).astype(np.float32)


def svm() -> Any:
    """Standardise, PCA 80, RBF support vector machine with balanced class weights."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(
        StandardScaler(),
        PCA(PCA_COMPONENTS, random_state=0),
        SVC(kernel="rbf", class_weight="balanced", decision_function_shape="ovr", break_ties=True),
    )


def fit_grouped(
    classifier: Any,
    grid: Mapping[str, Sequence[float]],
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    groups: Sequence[str],
    seed: int,
) -> Any:
    """`classifier` fitted to all rows, its settings chosen by balanced accuracy on held-out groups of these rows."""
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

    folds = StratifiedGroupKFold(INNER_FOLDS, shuffle=True, random_state=seed)
    search = GridSearchCV(classifier, dict(grid), scoring="balanced_accuracy", cv=folds, error_score="raise")
    return search.fit(features, targets, groups=groups)


def scores_as_probabilities(decision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax of one-vs-rest decision values, (frame, class), or (frame,) of the second of two classes: keeps the
    SVM's own order of classes, not calibrated."""
    if decision.ndim == 1:
        decision = np.stack([np.zeros_like(decision), decision], axis=1)
    raised = np.exp(decision - decision.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares
