"""Joules a frame: the machine at rest, then frames back to back, between two readings of an energy meter."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from edgeneuro.benchmarks.document import Energy
from edgeneuro.benchmarks.power.meters import Meter
from edgeneuro.errors import SensorError, UsageError

READINGS = 50
"""Of the meter in each phase."""
LEAST_STEPS = 20
"""Readings at which it must have moved: a counter is off by up to one step at each end, so by at most a tenth in all."""


@dataclass(frozen=True, kw_only=True)
class _Spent:
    joules: float
    seconds: float
    calls: int


def measure_energy(
    call: Callable[[int], object],
    meter: Meter,
    *,
    seconds: float,
    idle_seconds: float,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], object] = time.sleep,
) -> Energy:
    """Let the machine rest for `idle_seconds`, then run `call(0)`, `call(1)`, ... for `seconds`.

    All that the meter sees is counted, other processes and the power at rest included; nothing is subtracted. The first
    `meter.settle_s` of each phase is not counted. Raises SensorError where the meter moves too rarely for the time, or
    stops answering; UsageError for no time.
    """
    if seconds <= 0 or idle_seconds <= 0:
        raise UsageError(f"energy: got {seconds:g} s of frames and {idle_seconds:g} s of rest, expected both above 0")

    def rest(_: int) -> None:
        sleep(idle_seconds / READINGS)

    with meter:
        idle = _spend(rest, meter, idle_seconds, "at rest", clock)
        busy = _spend(call, meter, seconds, "running", clock)
    return Energy(
        source=f"{meter.name} ({meter.sees})",
        joules=busy.joules / busy.calls,
        watts=busy.joules / busy.seconds,
        idle_watts=idle.joules / idle.seconds,
    )


def _spend(
    step: Callable[[int], object], meter: Meter, seconds: float, phase: str, clock: Callable[[], float]
) -> _Spent:
    settled, calls = clock() + meter.settle_s, 0
    while clock() < settled:
        step(calls)
        calls += 1
    begun, first, settling = clock(), meter.read_joules(), calls
    last, moved, due = first, 0, begun + seconds / READINGS
    while True:
        now = clock()
        over = now >= begun + seconds
        if over or now >= due:
            joules = meter.read_joules()
            moved += joules > last
            last, due = joules, now + seconds / READINGS
        if over:
            break
        step(calls)
        calls += 1
    if moved < LEAST_STEPS:
        raise SensorError(
            f"{meter.name}: moved at {moved} of up to {READINGS} readings in {seconds:g} s {phase}, expected at least "
            f"{LEAST_STEPS}; measure for longer, or do without energy"
        )
    return _Spent(joules=last - first, seconds=now - begun, calls=calls - settling)
