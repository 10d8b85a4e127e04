"""Frames back to back for a long time: does the machine get slower as it gets hot?"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil

import numpy as np

from edgeneuro.benchmarks.document import Soak, SoakPoint
from edgeneuro.benchmarks.power.sensors import frequency_mhz, temperature_c
from edgeneuro.benchmarks.power.throttle import judge_throttling
from edgeneuro.benchmarks.protocol import Track
from edgeneuro.errors import UsageError

Sensor = Callable[[], float | None]


def soak(
    call: Callable[[int], float],
    *,
    seconds: float,
    interval_s: float = 1.0,
    track: Track = iter,
    temperature: Sensor = temperature_c,
    frequency: Sensor = frequency_mhz,
    clock: Callable[[], float] = time.perf_counter,
) -> Soak:
    """Run `call(0)`, `call(1)`, ..., each of which returns the ms it took, for `seconds`; one point every `interval_s`.

    track: draws progress over the points. Warm up before: what makes the first frames slow hides throttling. Ctrl-C ends
    the soak and keeps the points taken so far, as `seconds` and `reason` say; before the first one it is passed on.
    Raises UsageError for no time, and what `call` raises.
    """
    if seconds <= 0 or interval_s <= 0:
        raise UsageError(f"soak: got {seconds:g} s with a point every {interval_s:g} s, expected both above 0")
    begun, frames = clock(), 0
    points: list[SoakPoint] = []
    interrupted = ""
    try:
        for number in track(range(ceil(seconds / interval_s))):
            ends = begun + min((number + 1) * interval_s, seconds)
            ms: list[float] = []
            while not ms or clock() < ends:
                ms.append(call(frames + len(ms)))
            frames += len(ms)
            now = clock() - begun
            points.append(_point(now, float(np.median(ms)), temperature(), frequency()))
            if now >= seconds:  # a frame took longer than an interval
                break
    except KeyboardInterrupt:
        if not points:
            raise
        interrupted = f"interrupted after {points[-1].seconds:.0f} of {seconds:g} s; "
    slowdown, throttled, reason = judge_throttling(points)
    return Soak(
        seconds=points[-1].seconds,
        frames=frames,
        points=tuple(points),
        slowdown=slowdown,
        throttled=throttled,
        reason=interrupted + reason,
    )


def _point(seconds: float, p50_ms: float, temperature: float | None, frequency: float | None) -> SoakPoint:
    return SoakPoint(seconds=seconds, p50_ms=p50_ms, temperature_c=temperature, frequency_mhz=frequency)
