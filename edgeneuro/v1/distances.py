"""Are two trials of one image closer than trials of two images? Euclidean distances of population responses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.recordings import Recording
from edgeneuro.errors import DataError
from edgeneuro.v1.preprocessing import Method, preprocess

CHUNK = 256
"""Pairs whose differences are in memory at once."""


@dataclass(frozen=True, kw_only=True)
class Distances:
    """Of pairs of responses, Euclidean, in the units of the preprocessing."""

    mean: float
    sd: float
    largest: float


@dataclass(frozen=True, kw_only=True)
class DistanceCheck:
    """same: a stimulus's first trial and its second. other: the same first trial and the second one of another stimulus, drawn
    without repetition. closer: share of stimuli whose own second trial is closer than the drawn one; 0.5 by chance."""

    preprocessing: Method
    stimuli: int
    same: Distances
    other: Distances
    closer: float


def distance_check(recording: Recording, method: Method, *, seed: int = 0) -> DistanceCheck:
    """One pair of each kind for every stimulus shown twice. Holds the responses twice.

    Raises DataError: fewer than two such stimuli, or what the preprocessing lacks.
    """
    numbers, responses = recording.with_responses(preprocess(recording, method)).repeats()
    if len(numbers) < 2:
        raise DataError(
            f"{recording.name}: shows {len(numbers)} stimulus twice, expected two or more; choose another session"
        )
    around = np.random.default_rng(seed).permutation(len(numbers))
    partner = np.empty_like(around)
    partner[around] = np.roll(around, 1)  # one cycle through all, so that nobody is their own partner
    first, second = responses
    same, other = _distances(first, second, np.arange(len(numbers))), _distances(first, second, partner)
    return DistanceCheck(
        preprocessing=method,
        stimuli=len(numbers),
        same=_summary(same),
        other=_summary(other),
        closer=float(np.mean((same < other) + 0.5 * (same == other))),
    )


def _distances(
    first: NDArray[np.float32], second: NDArray[np.float32], partner: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(stimulus,) from each of `first` to its partner in `second`."""
    chunks = [slice(start, start + CHUNK) for start in range(0, len(first), CHUNK)]
    parts = [np.linalg.norm(first[chunk] - second[partner[chunk]], axis=1) for chunk in chunks]
    return np.concatenate(parts).astype(np.float64)


def _summary(distances: NDArray[np.float64]) -> Distances:
    return Distances(mean=float(distances.mean()), sd=float(distances.std()), largest=float(distances.max()))
