"""The table of decoders: each one fits, predicts known classes and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from edgeneuro.errors import DataError
from edgeneuro.v1.decoding import decoders
from edgeneuro.v1.decoding.decoders import DECODERS, Fitting
from edgeneuro.v1.decoding.permutation import exchange, p_value
from edgeneuro.v1.decoding.search import SPACE, ModelSearch

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1], [8, 24])
TRIALS = (RNG.standard_normal((32, 10)) + 3 * LABELS[:, None]).astype(np.float32)
FITTING = Fitting(trials=32, columns=10, smallest=8, seed=0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "TRIALS", 2)
    monkeypatch.setattr(decoders._forest, "__defaults__", (10,))


@pytest.mark.parametrize("name", DECODERS)
def test_every_decoder_finds_what_is_plain_to_see(name: str) -> None:
    pipeline = DECODERS[name].pipeline(FITTING).fit(TRIALS, LABELS)
    assert np.mean(pipeline.predict(TRIALS) == LABELS) > 0.9


def test_a_forest_repeats_itself_with_its_seed() -> None:
    first, again = (DECODERS["forest"].pipeline(FITTING).fit(TRIALS, LABELS).predict_proba(TRIALS) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_many_columns_are_reduced_before_smote_looks_for_neighbours() -> None:
    few, many = (DECODERS["forest"].pipeline(Fitting(trials=32, columns=n, smallest=8, seed=0)) for n in (10, 600))
    assert list(few.named_steps) == ["balance", "classify"]
    assert list(many.named_steps) == ["reduce", "balance", "classify"]


def test_smote_draws_between_as_many_neighbours_as_the_smallest_class_has() -> None:
    pipeline = DECODERS["forest"].pipeline(Fitting(trials=20, columns=10, smallest=3, seed=0))
    assert pipeline.named_steps["balance"].k_neighbors == 2
    with pytest.raises(DataError, match="merge it"):
        DECODERS["forest"].pipeline(Fitting(trials=20, columns=10, smallest=1, seed=0))


def test_the_search_keeps_the_conventions_of_scikit_learn() -> None:
    check_estimator(ModelSearch(1, folds=2, random_state=0), on_skip=None)


def test_the_search_repeats_itself_by_trials() -> None:
    first, again = (ModelSearch(4, random_state=1).fit(TRIALS, LABELS) for _ in range(2))
    assert first.drawn_ == again.drawn_ and first.scores_ == again.scores_ and not first.stopped_early_
    assert len(first.scores_) == 4 and max(first.scores_) > 0.9


def test_the_search_stops_when_its_seconds_are_over_but_not_before_one_draw() -> None:
    found = ModelSearch(50, seconds=0.0, random_state=1).fit(TRIALS, LABELS)
    assert len(found.scores_) == 1 and found.stopped_early_


def test_the_search_does_not_divide_groups() -> None:
    search = ModelSearch(1, folds=2, random_state=0)
    parts = search._parts(TRIALS, LABELS, np.arange(32) // 4, 0)
    assert all(not set(train // 4) & set(test // 4) for train, test in parts) and len(parts) == 2


def test_the_space_has_the_hinge_and_passive_aggressive_models_of_the_study() -> None:
    assert "hinge" in SPACE[0]["model__loss"]
    assert any(name in repr(SPACE[1]["model"][0]) for name in ("pa1", "PassiveAggressive"))


def test_labels_of_images_are_exchanged_between_images_and_those_of_blocks_within_blocks() -> None:
    rng = np.random.default_rng(0)
    images = np.repeat(np.arange(20), 2)
    moved = exchange(images % 3, images, rng)
    assert (moved[::2] == moved[1::2]).all() and (moved != images % 3).any()
    blocks, shown = np.arange(24) % 4, np.arange(24) // 4  # interleaved, each block shows 0..5
    moved = exchange(shown, blocks, rng)
    assert all(sorted(moved[blocks == block]) == list(range(6)) for block in range(4)) and (moved != shown).any()


def test_a_p_value_counts_the_true_labels_as_a_permutation() -> None:
    assert p_value(0.9, [0.1, 0.2, 0.3]) == 0.25
    assert p_value(0.2, [0.1, 0.2, 0.3]) == 0.75
