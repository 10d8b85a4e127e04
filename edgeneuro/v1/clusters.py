"""K-means of trials, and whether it puts both trials of an image into one cluster more often than chance does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, davies_bouldin_score

from edgeneuro.data.recordings import UNKNOWN, Recording
from edgeneuro.data.recordings.recording import Numbers
from edgeneuro.errors import DataError
from edgeneuro.spec import Float32
from edgeneuro.v1.preprocessing import Method, preprocess

STARTS = 3
"""K-means from so many beginnings, the best kept."""


@dataclass(frozen=True, kw_only=True)
class ClusterScore:
    """same_image: share of images whose two trials are in one cluster, by chance `chance`, the sum of the squared shares of the
    clusters, which is 1 / clusters only where all are of one size. davies_bouldin: smaller is better; None where all trials are in one cluster.
    adjusted_rand: against the classes, 0 by chance, 1 for the same partition; None without classes. sizes: trials, largest first."""

    clusters: int
    same_image: float
    chance: float
    davies_bouldin: float | None
    adjusted_rand: float | None
    sizes: tuple[int, ...]


def cluster_scores(
    recording: Recording, counts: Sequence[int], *, method: Method = "zscore", seed: int = 0
) -> tuple[ClusterScore, ...]:
    """K-means with each number of clusters on the first two trials of the images shown twice. Holds the responses three times.

    Raises DataError: no repeats, a number of clusters below 2 or above that of the trials, or what the preprocessing lacks.
    """
    numbers, responses = recording.with_responses(preprocess(recording, method)).repeats()
    trials = responses.reshape(-1, responses.shape[2])
    if min(counts) < 2 or max(counts) > len(trials):
        raise DataError(
            f"{recording.name}: got {list(counts)} clusters for {len(trials)} trials, expected 2 to {len(trials)}"
        )
    labels = np.tile(classes_of(recording, numbers), 2)
    return tuple(
        score_clusters(trials, KMeans(count, n_init=STARTS, random_state=seed).fit_predict(trials), labels)
        for count in counts
    )


def score_clusters(trials: Float32, clusters: Numbers, labels: Numbers) -> ClusterScore:
    """trials: (2 * stimulus, neuron), all first trials, then the second ones. clusters, labels: (2 * stimulus,), labels UNKNOWN
    where a stimulus has no class."""
    found, sizes = np.unique(clusters, return_counts=True)
    known = labels != UNKNOWN
    share, chance = same_image_score(clusters)
    return ClusterScore(
        clusters=len(found),
        same_image=share,
        chance=chance,
        davies_bouldin=float(davies_bouldin_score(trials, clusters)) if 1 < len(found) < len(trials) else None,
        adjusted_rand=float(adjusted_rand_score(labels[known], clusters[known])) if known.any() else None,
        sizes=tuple(sorted(sizes.tolist(), reverse=True)),
    )


def same_image_score(clusters: Numbers) -> tuple[float, float]:
    """Share of images whose two trials share a cluster, and what it is by chance. clusters: (2 * stimulus,), first trials first."""
    first, second = clusters.reshape(2, -1)
    sizes = np.unique(clusters, return_counts=True)[1]
    return float(np.mean(first == second)), float(np.sum((sizes / len(clusters)) ** 2))


def classes_of(recording: Recording, numbers: Numbers) -> Numbers:
    """(stimulus,) the class of each of these stimuli, as their first trials have it."""
    shown, first = np.unique(recording.stimuli, return_index=True)
    return recording.labels[first[np.searchsorted(shown, numbers)]]
