"""How much better decoding gets with more neurons: the same decoder on neurons drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.recordings import Recording
from edgeneuro.errors import DataError

Score = Callable[[Recording], float]
"""A session's score, such as `lambda session: decode(session)[0].accuracy.value`."""


@dataclass(frozen=True, kw_only=True)
class NeuronCount:
    """scores: one a draw. mean and sd are of the draws, which share trials: sd is no standard error."""

    columns: int
    scores: tuple[float, ...]
    mean: float
    sd: float


def score_by_neurons(
    recording: Recording, score: Score, counts: Sequence[int], *, draws: int = 5, seed: int = 0
) -> tuple[NeuronCount, ...]:
    """`score` with each number of columns, drawn without replacement `draws` times, once where all are taken.

    Columns are neurons, or in a session of gratings neurons in one time window each. Raises DataError for a number out of range.
    """
    if min(counts) < 1 or max(counts) > recording.neurons or draws < 1:
        raise DataError(
            f"{recording.name}: got {list(counts)} neurons in {draws} draws, expected 1 to {recording.neurons} in 1 or more"
        )
    rng = np.random.default_rng(seed)
    return tuple(_count(recording, score, count, 1 if count == recording.neurons else draws, rng) for count in counts)


def _count(recording: Recording, score: Score, count: int, draws: int, rng: np.random.Generator) -> NeuronCount:
    chosen = [np.sort(rng.choice(recording.neurons, count, replace=False)) for _ in range(draws)]
    scores = [score(_only(recording, neurons)) for neurons in chosen]
    return NeuronCount(columns=count, scores=tuple(scores), mean=float(np.mean(scores)), sd=float(np.std(scores)))


def _only(recording: Recording, neurons: NDArray[np.int64]) -> Recording:
    return replace(
        recording,
        responses=recording.responses[:, neurons],
        spontaneous=None if recording.spontaneous is None else recording.spontaneous[:, neurons],
        positions_um=None if recording.positions_um is None else recording.positions_um[neurons],
    )
