"""Reduced-rank ridge regression, solved in closed form from the Gram matrix of samples, for many more features than samples.

Source: Izenman 1975, 10.1016/0047-259X(75)90042-1; with a ridge penalty: Mukherjee and Zhu 2011, 10.1002/sam.10138.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from edgeneuro.errors import DataError
from edgeneuro.spec import Array


class ReducedRankRegression(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Minimises ||Y - X B||^2 + alpha ||B||^2 over B of at most `rank`; X and Y are centred first, and the mean of Y is added again.

    rank: upper bound; fewer outputs, samples or features bound it too. alpha: weight of the penalty, above 0.
    Fitted: x_weights_ (feature, rank) and y_weights_ (output, rank), whose product is B; x_mean_ (feature,), y_mean_ (output,);
    n_features_in_. B itself is never built unless `coef_` is asked for.

    Memory: 4 float64 matrices (sample, sample) beside centred copies of X and Y.
    """

    def __init__(self, rank: int = 25, alpha: float = 0.005) -> None:
        self.rank = rank
        self.alpha = alpha

    def fit(self, X: Array, y: Array) -> ReducedRankRegression:
        """X: (sample, feature). y: (sample, output) or (sample,). Raises DataError for a rank or alpha that makes no sense,
        ValueError, as scikit-learn does, for arrays that do not fit."""
        if self.rank < 1 or self.alpha <= 0:
            raise DataError(
                f"ReducedRankRegression: got rank {self.rank} and alpha {self.alpha:g}, expected at least 1 and above 0"
            )
        X, y = validate_data(
            self, X, y, multi_output=True, y_numeric=True, dtype=(np.float64, np.float32), ensure_min_samples=2
        )
        self._one_output = y.ndim == 1
        outputs = np.asarray(y.reshape(len(y), -1), X.dtype)
        self.x_mean_, self.y_mean_ = X.mean(0), outputs.mean(0)
        centred, outputs = X - self.x_mean_, outputs - self.y_mean_
        values, vectors = eigh((centred @ centred.T).astype(np.float64))
        values = np.maximum(values, 0.0)
        # Y^T K (K + alpha I)^-1 Y = G^T G: its eigenvectors are right singular vectors of G, (sample, output)
        rotated = vectors.T @ outputs
        self.y_weights_ = _right_vectors(np.sqrt(values / (values + self.alpha))[:, None] * rotated, self.rank).astype(
            X.dtype
        )
        dual = vectors @ ((rotated @ self.y_weights_) / (values + self.alpha)[:, None])
        self.x_weights_ = centred.T @ dual.astype(X.dtype)
        return self

    @property
    def coef_(self) -> Array:
        """(output, feature), or (feature,) where y had one axis, as scikit-learn's linear models have it."""
        check_is_fitted(self)
        coefficients: Array = self.y_weights_ @ self.x_weights_.T
        return coefficients[0] if self._one_output else coefficients

    def predict(self, X: Array) -> Array:
        """(sample, output), or (sample,) where y had one axis. X: (sample, feature)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        predicted: Array = ((X - self.x_mean_) @ self.x_weights_) @ self.y_weights_.T + self.y_mean_
        return predicted[:, 0] if self._one_output else predicted


def _right_vectors(matrix: Array, rank: int) -> Array:
    """(column, rank) leading right singular vectors, from the Gram matrix of the shorter side. matrix: (row, column)."""
    rows, columns = matrix.shape
    rank = min(rank, rows, columns)
    short: Any = matrix if rows < columns else matrix.T
    size = len(short)
    values, vectors = eigh(short @ short.T, subset_by_index=(size - rank, size - 1))
    leading: Array = vectors[:, ::-1]
    if rows >= columns:
        return leading
    lengths = np.sqrt(np.maximum(values[::-1], 0.0))
    kept = lengths > lengths[0] * 1e-6  # a vector of no length has no direction
    right: Array = (matrix.T @ leading[:, kept]) / lengths[kept]
    return right
