"""Neurons chosen by spectral co-clustering on one half of the images, and what k-means finds with them on the other half.

Source: Dhillon 2001, 10.1145/502512.502550; responses are shifted to be positive, which the bipartite graph of it needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, SpectralCoclustering

from edgeneuro.data.recordings import Recording
from edgeneuro.errors import DataError
from edgeneuro.spec import Float32
from edgeneuro.v1.clusters import STARTS, ClusterScore, classes_of, same_image_score, score_clusters
from edgeneuro.v1.preprocessing import Method, preprocess

FEWEST_NEURONS = 5
"""In a bicluster that may be chosen."""


@dataclass(frozen=True, kw_only=True)
class CoclusterResult:
    """neurons: numbers of the chosen ones. gains: same-image share minus chance on the images that chose, one a bicluster, None for
    one of fewer than FEWEST_NEURONS neurons. chosen, all_neurons: on the other images, whose trials only went to the nearest of the centres
    found before."""

    biclusters: int
    clusters: int
    choosing_images: int
    held_out_images: int
    gains: tuple[float | None, ...]
    neurons: tuple[int, ...]
    chosen: ClusterScore
    all_neurons: ClusterScore


def cocluster(
    recording: Recording, *, biclusters: int = 8, clusters: int = 8, method: Method = "zscore", seed: int = 0
) -> CoclusterResult:
    """Biclusters of trials and neurons on half of the images shown twice, k-means with each one's neurons, the best scored on the
    other half. Holds the responses about six times, for the co-clustering works in float64.

    Statistics of the preprocessing are those of the choosing half. Raises DataError: too few images or neurons, or what the
    preprocessing lacks.
    """
    numbers = recording.repeats()[0]
    half = np.random.default_rng(seed).permutation(len(numbers)) < len(numbers) // 2
    if min(half.sum(), recording.neurons // FEWEST_NEURONS) < biclusters or 2 * half.sum() < clusters:
        raise DataError(
            f"{recording.name}: got {biclusters} biclusters and {clusters} clusters for {len(numbers)} images shown twice and "
            f"{recording.neurons} neurons, expected {2 * biclusters} images and {FEWEST_NEURONS * biclusters} neurons or more; "
            "ask for fewer"
        )
    fitting = np.isin(recording.stimuli, numbers[half])
    responses = recording.with_responses(preprocess(recording, method, fitting, seed=seed)).repeats()[1]
    choosing, held_out = (responses[:, side].reshape(-1, recording.neurons) for side in (half, ~half))
    of_neuron = SpectralCoclustering(biclusters, random_state=seed).fit(choosing - choosing.min()).column_labels_
    gains = tuple(_gain(choosing[:, of_neuron == number], clusters, seed) for number in range(biclusters))
    if all(gain is None for gain in gains):
        raise DataError(
            f"{recording.name}: no bicluster has {FEWEST_NEURONS} neurons or more; ask for fewer than {biclusters}"
        )
    best = int(np.argmax([-np.inf if gain is None else gain for gain in gains]))
    neurons = np.flatnonzero(of_neuron == best)
    labels = np.tile(classes_of(recording, numbers[~half]), 2)
    return CoclusterResult(
        biclusters=biclusters,
        clusters=clusters,
        choosing_images=int(half.sum()),
        held_out_images=int((~half).sum()),
        gains=gains,
        neurons=tuple(neurons.tolist()),
        chosen=_held_out(choosing[:, neurons], held_out[:, neurons], labels, clusters, seed),
        all_neurons=_held_out(choosing, held_out, labels, clusters, seed),
    )


def _gain(trials: Float32, clusters: int, seed: int) -> float | None:
    if trials.shape[1] < FEWEST_NEURONS:
        return None
    share, chance = same_image_score(KMeans(clusters, n_init=STARTS, random_state=seed).fit_predict(trials))
    return share - chance


def _held_out(
    choosing: Float32, held_out: Float32, labels: NDArray[np.int64], clusters: int, seed: int
) -> ClusterScore:
    means = KMeans(clusters, n_init=STARTS, random_state=seed).fit(choosing)
    return score_clusters(held_out, means.predict(held_out), labels)
