"""Timing several backends by turns, with a clock that the backends move themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime import race as module
from edgeneuro.runtime.race import race, slower_by
from edgeneuro.spec import Array, Feed, TensorSpec


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Paced:
    """A backend whose frames take the given seconds, one after the other."""

    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()

    def __init__(self, clock: Clock, seconds: float, first: float = 0.0) -> None:
        self.clock, self.seconds, self.first = clock, seconds, first
        self.frames = 0

    def run(self, feeds: Feed) -> dict[str, Array]:
        self.clock.now += self.seconds if self.frames % 3 else self.seconds + self.first
        self.frames += 1
        return {}

    def run_many(self, feeds: Iterable[Feed]) -> Iterator[dict[str, Array]]:
        return map(self.run, feeds)

    def close(self) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "perf_counter", clock)
    return clock


FEEDS: list[Feed] = [{"x": np.zeros(1)}, {"x": np.ones(1)}]


@pytest.mark.parametrize("streams", [1, 4])
def test_every_backend_has_a_time_a_frame_in_every_round(clock: Clock, streams: int) -> None:
    times = race({"slow": Paced(clock, 0.25), "fast": Paced(clock, 0.125)}, FEEDS, streams=streams)
    assert len(times["slow"]) == len(times["fast"]) >= module.LEAST_ROUNDS
    np.testing.assert_allclose(times["slow"], 250)
    np.testing.assert_allclose(times["fast"], 125)


def test_what_slows_the_first_call_of_a_turn_is_not_counted(clock: Clock) -> None:
    disturbed = Paced(clock, 0.25, first=10.0)  # a turn of such long calls has three
    np.testing.assert_allclose(race({"a": disturbed, "b": Paced(clock, 0.25)}, FEEDS, streams=1)["a"], 250)


def test_rounds_end_with_the_budget(clock: Clock) -> None:
    race({"a": Paced(clock, 0.001), "b": Paced(clock, 0.001)}, FEEDS, streams=1)
    assert clock.now < module.BUDGET_S + 4 * module.TURN_S + 0.01


def test_a_backend_that_fails_ends_the_race(clock: Clock) -> None:
    class Failing(Paced):
        def run(self, feeds: Feed) -> dict[str, Array]:
            raise BackendError("openvino: failed")

    with pytest.raises(BackendError, match="failed"):
        race({"a": Paced(clock, 1.0), "b": Failing(clock, 1.0)}, FEEDS, streams=1)


def test_the_bounds_of_a_ratio_hold_its_median_and_narrow_with_rounds() -> None:
    rng = np.random.default_rng(0)
    reference = np.exp(0.1 * rng.standard_normal(400))
    few, many = (slower_by(1.2 * reference[:n] * np.exp(0.1 * rng.standard_normal(n)), reference[:n]) for n in (9, 400))
    assert few[0] < 1.2 < few[1]
    assert many[0] < 1.2 < many[1]
    assert many[1] - many[0] < few[1] - few[0]
    assert slower_by(reference, reference) == (1.0, 1.0)


def test_the_bounds_keep_their_promise_of_95_percent() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(500):
        low, high = slower_by(np.exp(rng.standard_normal(37)), np.ones(37))
        held += low <= 1.0 <= high
    assert 0.92 <= held / 500 <= 0.995
