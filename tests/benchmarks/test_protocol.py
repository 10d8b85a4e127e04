"""How times are taken and compared, with made-up clocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

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


def test_no_round_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="got 0 after 1 of warm-up"):
        interleave({}, rounds=0, warm_up=1, rng=np.random.default_rng(0))


def test_a_ratio_is_taken_round_by_round() -> None:
    drifting = np.array([1.0, 2.0, 4.0, 8.0])  # the machine slows down, the ratio does not change
    assert ratio(0.5 * drifting, drifting).p10 == ratio(0.5 * drifting, drifting).p90 == 0.5


def test_quantiles_are_of_all_rounds() -> None:
    found = quantiles(np.arange(101.0))
    assert (found.p50, found.p90, found.p99) == (50.0, 90.0, 99.0)
