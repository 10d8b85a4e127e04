"""Warming up until stable, with made-up clocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgeneuro.benchmarks.measure.stable import WarmUp, is_stable, warm_up
from edgeneuro.benchmarks.protocol import Candidate
from edgeneuro.errors import UsageError


def candidate(ms: Callable[[int], float]) -> Candidate:
    return lambda number: {"preprocess": 1.0, "inference": ms(number)}


def warmed(*clocks: Callable[[int], float], least: int = 20, limit: int = 100, limit_s: float = 60.0) -> WarmUp:
    candidates = {f"row {i}": candidate(clock) for i, clock in enumerate(clocks)}
    rng = np.random.default_rng(0)
    return warm_up(candidates, rng=rng, least_rounds=least, limit_rounds=limit, limit_s=limit_s)


def noisy(number: int) -> float:
    return float(np.random.default_rng(number).lognormal(0.0, 0.3))


def settling(number: int) -> float:
    return 10.0 if number < 15 else 5.0


def drifting(number: int) -> float:
    return 1.03**number


def test_a_steady_row_is_warm_after_the_least_rounds_however_noisy() -> None:
    assert warmed(lambda _: 3.0) == WarmUp(rounds=20, stable=("row 0",), unstable=())
    assert warmed(noisy).rounds <= 25


def test_a_row_that_gets_faster_is_warm_when_the_slow_rounds_have_left_both_windows() -> None:
    assert warmed(settling) == WarmUp(rounds=31, stable=("row 0",), unstable=())


def test_all_rows_go_on_until_the_last_is_stable() -> None:
    assert warmed(settling, noisy, lambda _: 3.0).rounds >= 31


def test_a_row_that_never_settles_is_named_at_the_limit() -> None:
    assert warmed(lambda _: 3.0, drifting, limit=40) == WarmUp(rounds=40, stable=("row 0",), unstable=("row 1",))


def test_the_time_limit_leaves_as_many_rounds_as_the_windows_need() -> None:
    assert warmed(lambda _: 3.0, drifting, limit_s=0.0) == WarmUp(rounds=10, stable=("row 0",), unstable=("row 1",))


def test_a_limit_too_low_to_tell_is_refused() -> None:
    with pytest.raises(UsageError, match="limit of 9 rounds, expected at least 10"):
        warmed(noisy, least=1, limit=9)
    with pytest.raises(UsageError, match="limit of 25 rounds, expected at least 30"):
        warmed(noisy, least=30, limit=25)


def test_a_change_is_seen_only_where_noise_does_not_explain_it() -> None:
    before = [9.0, 10.0, 11.0, 10.0, 9.5]
    assert is_stable([*before, 9.2, 10.9, 10.4, 10.5, 11.0])
    assert not is_stable([*before, 11.5, 12.0, 12.5, 12.0, 11.6])
    assert not is_stable([*before, 9.0, 10.9, 30.0, 31.0, 32.0])  # the last window holds both levels
    assert is_stable([10.0] * 5 + [10.1] * 5)  # 1 %, beyond all noise, and too small to matter
    assert not is_stable([10.0] * 5 + [10.3] * 5)
    assert not is_stable([10.0] * 9)  # four rounds are no window
