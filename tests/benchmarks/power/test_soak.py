"""Soaks with a made-up clock: what is called throttling, and what is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest

from edgeneuro.benchmarks.document import SoakPoint
from edgeneuro.benchmarks.power.soak import soak
from edgeneuro.benchmarks.power.throttle import judge_throttling
from edgeneuro.errors import UsageError
from tests.benchmarks.power.clock import Clock

Values = Sequence[float | None]
STEADY = np.tile([10.0, 10.1, 9.9, 10.05], 15)
SLOWING = STEADY * np.linspace(1.0, 1.5, 60)
COOL, HEATING = [50.0] * 60, list(np.linspace(50, 85, 60))
FAST, FALLING = [3000.0] * 60, list(np.linspace(3000, 2000, 60))
UNKNOWN = [None] * 60


def judged(p50: Iterable[float], temperature: Values, frequency: Values) -> tuple[bool | None, str]:
    points = [
        SoakPoint(seconds=float(i), p50_ms=float(ms), temperature_c=heat, frequency_mhz=clock)
        for i, (ms, heat, clock) in enumerate(zip(p50, temperature, frequency, strict=True))
    ]
    _, throttled, reason = judge_throttling(points)
    return throttled, reason


@pytest.mark.parametrize(
    ("temperature", "frequency", "expected", "reason"),
    [
        (HEATING, FALLING, True, r"temperature \d+ to \d+ C, clock \d+ to \d+ MHz: throttled"),
        (UNKNOWN, FALLING, True, "temperature not readable, .*: throttled"),
        (COOL, FALLING, True, "throttled"),
        (HEATING, UNKNOWN, True, "clock not readable: throttled"),
        (HEATING, FAST, None, "cannot be told"),
        (COOL, UNKNOWN, None, "cannot be told"),
        (UNKNOWN, FAST, None, "cannot be told"),
        (UNKNOWN, UNKNOWN, None, "temperature not readable, clock not readable: slower, but .* cannot be told"),
        (COOL, FAST, False, "slower for another reason"),
    ],
)
def test_a_slowdown_is_throttling_where_the_sensors_agree(
    temperature: Values, frequency: Values, expected: bool | None, reason: str
) -> None:
    throttled, said = judged(SLOWING, temperature, frequency)
    assert throttled is expected
    assert re.search(reason, said), said


def test_heat_without_a_slowdown_is_no_throttling() -> None:
    throttled, said = judged(STEADY, HEATING, FALLING)
    assert throttled is False
    assert "1.00" in said
    assert "no slowdown beyond noise" in said


def test_a_slowdown_within_the_noise_is_none() -> None:
    noisy = 10 * np.random.default_rng(0).lognormal(0, 0.5, 60)
    noisy[-12:] *= 1.05
    assert judged(noisy, HEATING, FALLING)[0] is False


def test_few_points_decide_nothing() -> None:
    throttled, said = judged(SLOWING[:10], HEATING[:10], FALLING[:10])
    assert throttled is None
    assert "10 points, expected at least 25" in said


def frames(clock: Clock, ms: Callable[[float], float]) -> tuple[Callable[[int], float], list[int]]:
    """A call that takes ms(seconds since the start), and the numbers it was called with."""
    numbers: list[int] = []

    def call(number: int) -> float:
        numbers.append(number)
        taken = ms(clock())
        clock.sleep(taken / 1e3)
        return taken

    return call, numbers


def test_a_soak_makes_a_point_an_interval_and_finds_the_slowdown() -> None:
    clock = Clock()
    call, numbers = frames(clock, lambda now: 10.0 if now < 30 else 15.0)
    done = soak(
        call,
        seconds=60.0,
        interval_s=2.0,
        clock=clock,
        temperature=lambda: 50.0 + clock() / 2,
        frequency=lambda: 3000.0 if clock() < 30 else 2000.0,
    )
    assert len(done.points) == 30
    assert done.points[0].seconds == pytest.approx(2.0, abs=0.02)
    assert done.points[0].p50_ms == 10.0
    assert done.points[0].temperature_c == pytest.approx(51.0, abs=0.1)
    assert done.seconds == pytest.approx(60.0, abs=0.02)
    assert done.frames == len(numbers) == numbers[-1] + 1
    assert done.slowdown == pytest.approx(1.5)
    assert done.throttled is True


def test_a_frame_longer_than_an_interval_makes_fewer_points() -> None:
    clock = Clock()
    call, numbers = frames(clock, lambda now: 3000.0)
    done = soak(call, seconds=10.0, interval_s=1.0, clock=clock, temperature=lambda: None, frequency=lambda: None)
    assert len(numbers) == len(done.points) == 4
    assert done.throttled is None


def test_an_interrupted_soak_keeps_its_points() -> None:
    clock = Clock()
    call, _ = frames(clock, lambda now: 10.0)

    def interrupted(number: int) -> float:
        if clock() > 5.5:
            raise KeyboardInterrupt
        return call(number)

    done = soak(interrupted, seconds=60.0, clock=clock, temperature=lambda: None, frequency=lambda: None)
    assert len(done.points) == 5
    assert done.seconds == pytest.approx(5.0, abs=0.02)
    assert done.reason.startswith("interrupted after 5 of 60 s; 5 points")


def test_an_interrupt_before_the_first_point_is_passed_on() -> None:
    def interrupted(number: int) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        soak(interrupted, seconds=60.0)


def test_progress_runs_over_the_points() -> None:
    clock, seen = Clock(), []

    def track(numbers: Sequence[int]) -> Iterable[int]:
        seen.append(len(numbers))
        return numbers

    call, _ = frames(clock, lambda now: 10.0)
    soak(call, seconds=5.0, clock=clock, track=track, temperature=lambda: None, frequency=lambda: None)
    assert seen == [5]


def test_no_time_is_refused() -> None:
    with pytest.raises(UsageError, match="expected both above 0"):
        soak(lambda _: 1.0, seconds=0.0)
