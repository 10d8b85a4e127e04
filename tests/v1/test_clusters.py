"""Clusters of trials and the same-image score beside its chance level."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from edgeneuro.data.recordings.simulated import Strengths, simulate_session
from edgeneuro.errors import DataError
from edgeneuro.records import to_json
from edgeneuro.v1.clusters import cluster_scores, same_image_score


def test_chance_counts_the_sizes_of_clusters() -> None:
    share, chance = same_image_score(np.array([0, 0, 0, 1, 0, 0, 1, 1]))
    assert share == 0.75
    assert chance == pytest.approx((5 / 8) ** 2 + (3 / 8) ** 2)


def test_one_cluster_for_everything_is_worth_nothing_above_chance() -> None:
    assert same_image_score(np.zeros(10, np.int64)) == (1.0, 1.0)


def test_images_are_found_again_only_where_they_drive_neurons() -> None:
    driven = simulate_session(
        4, neurons=50, images=60, shape=(9, 12), strengths=Strengths(signal=3, shared=0.1)
    ).recording
    silent = simulate_session(4, neurons=50, images=60, shape=(9, 12), strengths=Strengths(signal=0)).recording
    four, eight = cluster_scores(driven, (4, 8))
    assert (four.clusters, eight.clusters) == (4, 8)
    assert eight.same_image > eight.chance + 0.3
    assert eight.adjusted_rand is not None and eight.adjusted_rand > 0.05
    (none,) = cluster_scores(silent, (8,))
    assert none.same_image == pytest.approx(none.chance, abs=0.2)  # 3 sd of 60 images
    assert sum(eight.sizes) == 120 and json.dumps(to_json(eight))


def test_the_seed_makes_it_repeatable() -> None:
    recording = simulate_session(4, neurons=20, images=30, shape=(9, 12)).recording
    assert asdict(cluster_scores(recording, (3,), seed=5)[0]) == asdict(cluster_scores(recording, (3,), seed=5)[0])


def test_more_clusters_than_trials_are_refused() -> None:
    recording = simulate_session(4, neurons=20, images=10, shape=(9, 12)).recording
    with pytest.raises(DataError, match="for 20 trials"):
        cluster_scores(recording, (2, 21))
