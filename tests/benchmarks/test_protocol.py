"""How times are taken and compared, with made-up clocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace

import numpy as np
import pytest

from edgeneuro.benchmarks import protocol
from edgeneuro.benchmarks.protocol import interleave, quantiles, ratio
from edgeneuro.errors import UsageError


def test_every_candidate_runs_once_a_round_in_changing_order_after_the_warm_up() -> None:
    order: list[tuple[str, int]] = []

    def candidate(name: str) -> Callable[[int], Mapping[str, float]]:
        def run(number: int) -> Mapping[str, float]:
            order.append((name, number))
            return {"total": float(number)}

        return run

    times = interleave({"a": candidate("a"), "b": candidate("b")}, rounds=8, warm_up=2, rng=np.random.default_rng(0))
    pairs = [order[i : i + 2] for i in range(0, len(order), 2)]
    assert len(pairs) == 10
    assert all({name for name, _ in pair} == {"a", "b"} and pair[0][1] == pair[1][1] for pair in pairs)
    assert {pair[0][0] for pair in pairs} == {"a", "b"}
    assert times["a"]["total"].tolist() == times["b"]["total"].tolist() == list(range(8))


@pytest.mark.parametrize("budget_s, least, expected", [(10.0, 1, 5), (10.0, 8, 8), (0.0, 0, 1), (1e9, 1, 20)])
def test_a_time_budget_ends_the_rounds_but_not_below_the_least(
    budget_s: float, least: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(protocol, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def two_seconds(number: int) -> Mapping[str, float]:
        now[0] += 2.0
        return {"total": float(number)}

    rng = np.random.default_rng(0)
    times = interleave({"a": two_seconds}, rounds=20, warm_up=3, rng=rng, budget_s=budget_s, least_rounds=least)
    assert times["a"]["total"].tolist() == list(range(expected))  # the warm-up is not charged


def test_no_round_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="got 0 after 1 of warm-up"):
        interleave({}, rounds=0, warm_up=1, rng=np.random.default_rng(0))


def test_a_ratio_is_taken_round_by_round() -> None:
    drifting = np.array([1.0, 2.0, 4.0, 8.0])  # the machine slows down, the ratio does not change
    assert ratio(0.5 * drifting, drifting).p10 == ratio(0.5 * drifting, drifting).p90 == 0.5


def test_the_interval_of_a_ratio_bounds_its_median() -> None:
    found = ratio(np.array([9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0]), np.ones(9))
    assert (found.p50, found.low, found.high) == (5.0, 2.0, 8.0)  # ranks 2 and 8 of 9


def test_rounds_too_few_for_an_interval_give_all_that_was_seen() -> None:
    found = ratio(np.array([1.0, 3.0, 2.0]), np.ones(3))
    assert (found.low, found.high) == (1.0, 3.0)


def test_quantiles_are_of_all_rounds() -> None:
    found = quantiles(np.arange(101.0))
    assert (found.p50, found.p90, found.p99) == (50.0, 90.0, 99.0)
