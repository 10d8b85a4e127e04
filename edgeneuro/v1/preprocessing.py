"""Responses in comparable units: raw, z-scored, without spontaneous directions, or relative to the grey screen.

| method | what is learnt | from which activity |
|---|---|---|
| raw | nothing | |
| zscore | mean and sd of each neuron | trials of the training part, without grey ones |
| spont32 | mean, sd and the 32 largest principal directions; then each neuron's mean | spontaneous; mean of training trials |
| grey_norm | mean and sd | grey trials, of either part: they show no stimulus |

spont32 is the preprocessing published with the natimg2800 recordings (Stringer et al. 2019, 10.1038/s41586-019-1346-5). Standard
deviations are those of the population plus EPSILON.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted, validate_data

from edgeneuro.data.recordings import Recording
from edgeneuro.errors import DataError
from edgeneuro.spec import Array, Float32

Method = Literal["raw", "zscore", "spont32", "grey_norm"]
EPSILON = 1e-6
DIRECTIONS = 32


class ActivityNormalizer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """z = (x - mean_) / scale_, then without the part of z along directions_.

    directions: number of principal directions of the fitted activity that are taken away, at most its times - 1 and its neurons; 0 for
    none. random_state: of the randomised decomposition that large activity gets.

    mean_, scale_: (neuron,). directions_: (direction, neuron), orthonormal. float32 stays float32. `transform` holds one copy of
    what it is given, `fit` two, because deviations are squared in float64.
    """

    def __init__(self, directions: int = 0, random_state: Any = None) -> None:
        self.directions = directions
        self.random_state = random_state

    def fit(self, X: Array, y: Any = None) -> ActivityNormalizer:
        """X: (time or trial, neuron)."""
        X = validate_data(self, X, dtype=(np.float64, np.float32))
        self.mean_ = X.mean(0, dtype=np.float64).astype(X.dtype)
        self.scale_ = (X.std(0, dtype=np.float64) + EPSILON).astype(X.dtype)
        count = min(self.directions, len(X) - 1, X.shape[1])
        self.directions_ = np.zeros((0, X.shape[1]), X.dtype)
        if count > 0:
            self.directions_ = PCA(count, random_state=self.random_state).fit(self._scaled(X)).components_
        return self

    def transform(self, X: Array) -> Array:
        """(trial, neuron), of the same type."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        scaled = self._scaled(X)
        if len(self.directions_):
            scaled -= (scaled @ self.directions_.T) @ self.directions_
        return scaled

    def _scaled(self, X: Array) -> Array:
        scaled: Array = X - self.mean_
        scaled /= self.scale_
        return scaled


def lacking(recording: Recording, method: Method) -> str | None:
    """Why `method` cannot be applied to this session, in words; None where it can."""
    if method == "spont32":
        return recording.lacks("spontaneous")
    if method == "grey_norm" and np.count_nonzero(recording.grey) < 2:
        return f"{recording.name} has {np.count_nonzero(recording.grey)} trials of the grey screen, grey_norm needs 2 or more"
    return None


def preprocess(recording: Recording, method: Method, training: Array | None = None, *, seed: int = 0) -> Float32:
    """(trial, neuron) responses of all trials, grey ones included; one copy, `raw` none.

    training: trials whose statistics may be used, by number or as a mask; all for an analysis without a split. seed: of the search
    for principal directions. Raises DataError: an unknown method, no spontaneous activity, too few grey or training trials.
    """
    reason = lacking(recording, method)
    if reason is not None:
        raise DataError(f"preprocessing {method}: {reason}; choose another method")
    if method == "raw":
        return recording.responses
    chosen = np.zeros(recording.trials, bool)
    chosen[slice(None) if training is None else training] = True
    chosen &= ~recording.grey
    if np.count_nonzero(chosen) < 2:
        raise DataError(
            f"{recording.name}: got {np.count_nonzero(chosen)} training trials with a stimulus for {method}, expected 2 or more; "
            "choose a larger training part"
        )
    responses: Float32
    match method:
        case "zscore":
            responses = ActivityNormalizer().fit(recording.responses[chosen]).transform(recording.responses)
        case "grey_norm":
            responses = ActivityNormalizer().fit(recording.responses[recording.grey]).transform(recording.responses)
        case "spont32" if recording.spontaneous is not None:
            normalizer = ActivityNormalizer(DIRECTIONS, random_state=seed).fit(recording.spontaneous)
            responses = normalizer.transform(recording.responses)
            responses -= responses.mean(0, where=chosen[:, None])
        case _:
            raise DataError(f"preprocessing: got {method!r}, expected raw, zscore, spont32 or grey_norm")
    return responses
