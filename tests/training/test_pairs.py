import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeneuro.training.pairs import (
    Numbers,
    batch_count,
    batch_pairs,
    class_shares,
    drawn_pairs,
    epoch_pairs,
    group_pairs,
    group_size,
    partners,
)

groups = st.lists(st.integers(0, 6), min_size=1, max_size=40).map(lambda labels: np.array(labels, np.int64))
ratios = st.floats(0.0, 1.0)


def as_written(labels: Numbers) -> list[int]:
    """The rule word for word, as docs/skin.md has it."""
    n = len(labels)
    partner, free = list(range(n)), set(range(n))
    for i in range(n):
        if i in free:
            later = [j for j in sorted(free) if j > i and labels[j] == labels[i]]
            if later:
                partner[i], partner[later[0]] = later[0], i
                free -= {i, later[0]}
    left = sorted(free)
    for k, u in enumerate(left):
        partner[u] = left[(k + 1) % len(left)] if len(left) % 2 else left[len(left) - 1 - k]
    return partner


def signs(labels: Numbers, pairs: Numbers) -> list[bool]:
    return [bool(labels[a] == labels[b]) for a, b in pairs.tolist()]


@given(groups)
def test_partners_are_those_of_the_written_rule_and_a_permutation(labels: Numbers) -> None:
    found = partners(labels)
    assert found.tolist() == as_written(labels)
    assert sorted(found) == list(range(len(labels)))


@given(groups)
def test_matched_pairs_are_mutual_and_positive_and_what_is_left_differs_pairwise(labels: Numbers) -> None:
    found = partners(labels)
    mutual = (found[found] == np.arange(len(labels))) & (found != np.arange(len(labels)))
    matched = mutual & (labels[found] == labels)
    odd = {label for label in set(labels.tolist()) if (labels == label).sum() % 2}
    assert sorted(labels[~matched].tolist()) == sorted(odd)  # one element of each class that is odd in number


@given(groups)
def test_no_element_is_paired_with_itself_and_all_but_a_lone_one_are_paired(labels: Numbers) -> None:
    pairs = group_pairs(labels)
    lone = len([label for label in set(labels.tolist()) if (labels == label).sum() % 2]) == 1
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert len(pairs) == len(labels) - lone


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([3], []),
        ([3, 3], [(0, 1), (1, 0)]),
        ([3, 3, 3], [(0, 1), (1, 0)]),
        ([1, 2], [(0, 1), (1, 0)]),
        ([1, 2, 3], [(0, 1), (1, 2), (2, 0)]),
        ([1, 2, 3, 4], [(0, 3), (1, 2), (2, 1), (3, 0)]),
        ([5, 1, 5, 2, 5, 3], [(0, 2), (1, 5), (2, 0), (3, 4), (4, 3), (5, 1)]),
    ],
    ids=["one", "two alike", "three alike", "two apart", "three apart", "four apart", "mixed"],
)
def test_small_groups_worked_out_by_hand(labels: list[int], expected: list[tuple[int, int]]) -> None:
    assert group_pairs(np.array(labels)).tolist() == [list(pair) for pair in expected]


def test_a_group_of_32_with_seven_classes_leaves_three_and_a_half_on_average_and_never_more_than_seven() -> None:
    rng = np.random.default_rng(0)
    left = [signs(labels, group_pairs(labels)).count(False) for labels in rng.integers(0, 7, (2000, 32))]
    assert max(left) <= 7
    assert np.mean(left) == pytest.approx(3.5, abs=0.2)  # a lone one is no pair, so 3.5 less 7 / 64 and the like


@given(groups, st.integers(0, 20), st.integers(0, 20), st.integers(0, 99))
def test_drawn_pairs_have_the_signs_that_were_asked_for(
    labels: Numbers, positive: int, negative: int, seed: int
) -> None:
    pairs = drawn_pairs(labels, positive, negative, np.random.default_rng(seed))
    one_class = len(set(labels.tolist())) == 1
    assert signs(labels, pairs) == [True] * positive + [one_class] * negative
    alone = {row for row in range(len(labels)) if (labels == labels[row]).sum() == 1}
    assert {a for a, b in pairs.tolist() if a == b} <= alone


def test_drawn_pairs_show_rare_classes_as_often_and_every_row_of_a_class_alike() -> None:
    labels = np.array([0] * 90 + [1] * 8 + [2] * 2)
    pairs = drawn_pairs(labels, 3000, 3000, np.random.default_rng(0))
    for side in pairs.T:
        shares = np.bincount(labels[side]) / len(side)
        assert shares == pytest.approx([1 / 3] * 3, abs=0.02)  # of 6000, three standard deviations
        common = np.bincount(side)[:90]
        assert common.min() > 0.3 * common.mean() and common.max() < 2 * common.mean()


@given(groups, st.integers(2, 24), ratios, st.integers(0, 99))
def test_every_batch_has_the_share_of_positive_pairs_that_was_asked_for(
    labels: Numbers, pairs: int, ratio: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    group = rng.permutation(len(labels))[: group_size(pairs, ratio)]
    made = batch_pairs(labels, group, pairs, ratio, rng)
    expected = pairs if len(set(labels.tolist())) == 1 else round(ratio * pairs)
    assert made.shape == (pairs, 2) and signs(labels, made).count(True) == expected


def test_a_batch_holds_the_pairs_of_its_group() -> None:
    labels = np.random.default_rng(1).integers(0, 4, 60)
    group = np.arange(20, 36)
    made = batch_pairs(labels, group, 32, 0.5, np.random.default_rng(2))
    assert {tuple(pair) for pair in (20 + group_pairs(labels[group])).tolist()} <= {tuple(p) for p in made.tolist()}


def test_an_epoch_shows_a_branch_as_many_frames_as_there_are_and_no_frame_in_two_groups() -> None:
    labels = np.zeros(100, np.int64)
    labels[:50] = 1
    pairs = epoch_pairs(labels, 16, 0.5, np.random.default_rng(0))
    assert len(pairs) == batch_count(100, 16) * 16 == 96
    grouped = [pair for batch in pairs.reshape(6, 16, 2) for pair in batch[:8].tolist()]
    rows = [a for a, b in grouped if [b, a] in grouped]
    assert len(rows) == len(set(rows)) > 40


def test_a_set_smaller_than_a_batch_still_fills_one() -> None:
    labels = np.array([0, 0, 1])
    pairs = epoch_pairs(labels, 8, 0.5, np.random.default_rng(0))
    assert pairs.shape == (8, 2) and signs(labels, pairs).count(True) == 4


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.5, 1.0])
def test_the_shares_of_the_classes_in_an_epoch_are_foretold(ratio: float) -> None:
    labels = np.array([0] * 600 + [1] * 150 + [2] * 50)
    rng = np.random.default_rng(0)
    seen = np.concatenate([epoch_pairs(labels, 32, ratio, rng) for _ in range(20)])
    foretold = class_shares(labels, 4, 32, ratio)
    # pairs of a group that are left out shift them a little, most where all are to be positive
    assert np.bincount(labels[seen].ravel(), minlength=4) / seen.size == pytest.approx(foretold, abs=0.03)
    assert foretold[3] == 0.0 and foretold.sum() == pytest.approx(1.0)
