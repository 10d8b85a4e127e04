"""Joules a frame, with a made-up clock and meter."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

import pytest

from edgeneuro.benchmarks.power.energy import measure_energy
from edgeneuro.benchmarks.power.meters import Meter
from edgeneuro.errors import SensorError, UsageError
from tests.benchmarks.power.clock import Clock

FRAME_S = 0.01


class MadeUp(Meter):
    """Draws `idle` watts, and `extra` joules a frame; shows them rounded down to `step` joules."""

    sees = "processor"

    def __init__(self, clock: Clock, *, idle: float, extra: float, step: float = 1e-9, settle_s: float = 0.0) -> None:
        self.name, self.settle_s = "made up", settle_s
        self.frames: list[int] = []
        self._clock, self._idle, self._extra, self._step = clock, idle, extra, step
        self.entered = 0

    def read_joules(self) -> float:
        joules = self._idle * self._clock() + self._extra * len(self.frames)
        return joules // self._step * self._step

    def __enter__(self) -> None:
        self.entered += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.entered -= 1


def frame(clock: Clock, meter: MadeUp) -> Callable[[int], None]:
    def call(number: int) -> None:
        assert meter.entered == 1
        meter.frames.append(number)
        clock.sleep(FRAME_S)

    return call


def test_a_frame_is_charged_with_all_that_the_meter_sees() -> None:
    clock = Clock()
    meter = MadeUp(clock, idle=4.0, extra=0.06)
    energy = measure_energy(frame(clock, meter), meter, seconds=2.0, idle_seconds=1.0, clock=clock, sleep=clock.sleep)
    assert energy.source == "made up (processor)"
    assert energy.idle_watts == pytest.approx(4.0)
    assert energy.joules == pytest.approx(0.06 + 4.0 * FRAME_S)
    assert energy.watts == pytest.approx(10.0)
    assert meter.frames == list(range(len(meter.frames)))
    assert meter.entered == 0


def test_what_runs_while_the_meter_settles_is_not_counted() -> None:
    clock = Clock()
    meter = MadeUp(clock, idle=4.0, extra=0.06, settle_s=1.0)
    energy = measure_energy(frame(clock, meter), meter, seconds=2.0, idle_seconds=1.0, clock=clock, sleep=clock.sleep)
    assert len(meter.frames) == pytest.approx(300, abs=2)
    assert energy.joules == pytest.approx(0.06 + 4.0 * FRAME_S)


def test_a_counter_too_coarse_for_the_time_is_refused() -> None:
    clock = Clock()
    meter = MadeUp(clock, idle=4.0, extra=0.06, step=1.0)
    with pytest.raises(
        SensorError, match=r"made up: moved at 4 of up to 50 readings in 1 s at rest, expected at least 20"
    ):
        measure_energy(frame(clock, meter), meter, seconds=10.0, idle_seconds=1.0, clock=clock, sleep=clock.sleep)
    assert meter.entered == 0
    measure_energy(frame(clock, meter), meter, seconds=10.0, idle_seconds=10.0, clock=clock, sleep=clock.sleep)


def test_frames_too_long_to_read_between_are_refused() -> None:
    clock = Clock()
    meter = MadeUp(clock, idle=4.0, extra=0.06)
    with pytest.raises(SensorError, match="in 10 s running"):
        measure_energy(
            lambda _: clock.sleep(1.0), meter, seconds=10.0, idle_seconds=1.0, clock=clock, sleep=clock.sleep
        )


def test_no_time_is_refused() -> None:
    clock = Clock()
    with pytest.raises(UsageError, match="expected both above 0"):
        measure_energy(lambda _: None, MadeUp(clock, idle=1.0, extra=0.0), seconds=0.0, idle_seconds=1.0)
