"""Which of all images a trial showed, by the nearest neighbour among the first trials.

Source: Stringer et al. 2019, 10.1038/s41586-019-1346-5: 75.5 % of 2,800 images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeneuro.data.recordings import Recording
from edgeneuro.manifest import Interval
from edgeneuro.metrics import mean_interval
from edgeneuro.spec import Float32
from edgeneuro.v1.preprocessing import Method, preprocess


@dataclass(frozen=True, kw_only=True)
class Identity:
    """accuracy: share of images whose second trial correlates most with their own first one; interval over images. chance: 1 / images.
    median_rank: of the own first trial among all, 1 the nearest."""

    preprocessing: Method
    images: int
    columns: int
    accuracy: Interval
    chance: float
    median_rank: float


def decode_identity(recording: Recording, *, method: Method = "spont32", seed: int = 0) -> Identity:
    """Nearest by Pearson correlation over neurons. No labels are used, so nothing can leak; statistics of the preprocessing are those of
    the first trials. Holds the responses three times and (image, image) float32.

    Raises DataError: no image shown twice, or what the preprocessing lacks.
    """
    shown, first = np.unique(recording.stimuli, return_index=True)
    processed = preprocess(recording, method, first[shown >= 0], seed=seed)
    numbers, responses = recording.with_responses(processed).repeats()
    similar = _unit(responses[1]) @ _unit(responses[0]).T
    own = np.diagonal(similar)[:, None]
    ranks = np.count_nonzero(similar > own, axis=1) + 1
    tied = np.count_nonzero(similar == own, axis=1) > 1  # a tie is no answer
    accuracy = mean_interval((ranks == 1) & ~tied, [str(number) for number in numbers], np.random.default_rng(seed))
    return Identity(
        preprocessing=method,
        images=len(numbers),
        columns=recording.neurons,
        accuracy=accuracy,
        chance=1 / len(numbers),
        median_rank=float(np.median(ranks)),
    )


def _unit(responses: Float32) -> Float32:
    """(trial, neuron) without the mean over neurons, of length 1."""
    centred = responses - responses.mean(1, keepdims=True)
    unit: Float32 = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return unit
