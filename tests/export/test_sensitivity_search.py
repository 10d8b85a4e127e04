"""Group testing: the planted items are found, and what it costs is counted."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeneuro.errors import UsageError
from edgeneuro.export.group_testing import CANCELS, NEGLIGIBLE, block_size, find_heaviest, least_budget, worst_case


class Counted:
    """The error of a group is the sum of its members', and every measurement is counted."""

    def __init__(self, errors: Mapping[str, float]) -> None:
        self.errors = errors
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, items: tuple[str, ...]) -> float:
        self.asked.append(items)
        return math.fsum(self.errors[item] for item in items)


def names(count: int) -> list[str]:
    return [f"layer {number}" for number in range(count)]


def planted(count: int, bad: Mapping[int, float], rest: float) -> dict[str, float]:
    return {name: bad.get(number, rest) for number, name in enumerate(names(count))}


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_planted_items_are_found_in_order_within_twice_k_log_n_and_never_more_than_n(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 300))
    wanted = data.draw(st.integers(1, min(8, count)))
    places = data.draw(st.lists(st.integers(0, count - 1), min_size=wanted, max_size=wanted, unique=True))
    errors = planted(count, {place: 1e6 + place for place in places}, 1.0)
    measure = Counted(errors)
    result = find_heaviest(list(errors), measure, count=wanted)
    assert result.found == tuple(f"layer {place}" for place in sorted(places, reverse=True))
    assert result.complete
    assert not result.cancels
    assert len(measure.asked) <= min(count, 1 + 2 * wanted * math.ceil(math.log2(max(count, 2))))
    assert len(measure.asked) == len(set(measure.asked))


@pytest.mark.parametrize(("count", "wanted", "most"), [(64, 1, 13), (256, 3, 50), (1024, 5, 94)])
def test_the_promise_in_numbers(count: int, wanted: int, most: int) -> None:
    assert worst_case(count, wanted) <= most
    errors = planted(count, {count // (place + 2): 1e6 for place in range(wanted)}, 1.0)
    measure = Counted(errors)
    find_heaviest(list(errors), measure, count=wanted)
    assert len(measure.asked) <= most


def test_with_few_items_for_each_one_wanted_it_goes_one_by_one() -> None:
    assert block_size(16, 4) == 1
    assert worst_case(16, 4) == 16
    measure = Counted(planted(16, {3: 9.0, 7: 8.0, 8: 7.0, 15: 6.0}, 1.0))
    result = find_heaviest(names(16), measure, count=4)
    assert result.found == ("layer 3", "layer 7", "layer 8", "layer 15")
    assert len(measure.asked) == 16


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.01, 10.0), min_size=1, max_size=60), st.integers(1, 6))
def test_given_the_measurements_any_errors_are_ranked_right(errors: list[float], wanted: int) -> None:
    """Also where many layers cost about the same: then as many as all of both halves are needed."""
    table = dict(zip(names(len(errors)), errors, strict=True))
    wanted = min(wanted, len(errors))
    result = find_heaviest(list(table), Counted(table), count=wanted, budget=2 * len(errors))
    largest = [error for error in sorted(errors, reverse=True)[:wanted] if error > NEGLIGIBLE * math.fsum(errors)]
    assert [table[name] for name in result.found] == pytest.approx(largest)
    assert result.complete


@given(st.lists(st.floats(0.0, 10.0), min_size=1, max_size=60), st.integers(1, 6), st.integers(0, 40))
def test_every_item_is_in_one_group_and_the_budget_is_kept(errors: list[float], wanted: int, more: int) -> None:
    table = dict(zip(names(len(errors)), errors, strict=True))
    measure = Counted(table)
    budget = least_budget(len(errors), wanted) + more
    result = find_heaviest(list(table), measure, count=wanted, budget=budget)
    assert len(measure.asked) <= budget
    members = [item for group in result.groups for item in group.items]
    assert sorted(members) == sorted(table)
    shares = [group.share for group in result.groups]
    assert shares == sorted(shares, reverse=True)


@given(st.lists(st.floats(1.0, 2.0), min_size=8, max_size=200), st.integers(1, 5))
def test_error_spread_evenly_still_gives_as_many_items_but_no_claim_to_be_the_largest(
    errors: list[float], wanted: int
) -> None:
    table = dict(zip(names(len(errors)), errors, strict=True))
    measure = Counted(table)
    result = find_heaviest(list(table), measure, count=wanted)
    assert len(measure.asked) <= worst_case(len(errors), wanted)
    assert len(result.found) == wanted or max(errors) <= NEGLIGIBLE * math.fsum(errors)
    if result.complete:
        assert [table[name] for name in result.found] == sorted(errors, reverse=True)[: len(result.found)]


def test_of_64_that_cost_the_same_none_is_called_the_largest() -> None:
    measure = Counted(planted(64, {}, 1.0))
    result = find_heaviest(names(64), measure, count=5)
    assert not result.complete
    assert len(result.found) == 5
    assert len(measure.asked) <= worst_case(64, 5) == 36


def test_nothing_is_found_where_nothing_costs() -> None:
    measure = Counted(planted(64, {}, 0.0))
    result = find_heaviest(names(64), measure, count=3)
    assert (result.found, result.complete) == ((), True)
    assert len(measure.asked) == least_budget(64, 3)


def test_what_is_below_a_hundredth_of_the_whole_is_not_listed() -> None:
    measure = Counted(planted(64, {10: 1000.0, 20: 9.0}, 0.001))
    result = find_heaviest(names(64), measure, count=5)
    assert (result.found, result.complete) == (("layer 10",), True)


def test_two_that_undo_each_other_are_found_one_by_one_once_a_split_shows_it() -> None:
    """Amplitudes add with their sign: +10 and -10 together are nothing, and a third item leads the search to them."""
    amplitudes = dict.fromkeys(names(64), 0.01) | {"layer 2": 10.0, "layer 1": -10.0, "layer 3": 1.0}
    asked = []

    def measure(items: tuple[str, ...]) -> float:
        asked.append(items)
        return float(np.sum([amplitudes[item] for item in items]) ** 2)

    result = find_heaviest(names(64), measure, count=3)
    assert result.cancels
    assert set(result.found) == {"layer 1", "layer 2", "layer 3"}
    assert len(asked) <= worst_case(64, 3) + 64


def test_errors_that_saturate_are_no_reason_to_go_one_by_one() -> None:
    """A network that is wrecked is not wrecked twice: a group costs no more than its worst member."""
    table = planted(64, {5: 100.0, 40: 90.0}, 0.1)

    def measure(items: tuple[str, ...]) -> float:
        return max(table[item] for item in items)

    result = find_heaviest(names(64), measure, count=2)
    assert (result.found, result.cancels) == (("layer 5", "layer 40"), False)
    assert CANCELS > 1.0


def test_a_budget_that_cannot_look_at_everything_once_is_refused() -> None:
    least = least_budget(64, 2)
    with pytest.raises(UsageError, match=f"got a budget of {least - 1} measurements, expected at least {least}"):
        find_heaviest(names(64), Counted(planted(64, {}, 1.0)), count=2, budget=least - 1)
