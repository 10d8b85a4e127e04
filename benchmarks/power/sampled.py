"""A meter for sensors that know watts, not joules: read over and over, and summed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Event, Lock, Thread
from types import TracebackType

from edgeneuro.benchmarks.power.meters import Meter, Part
from edgeneuro.errors import SensorError

Samples = Callable[[Event], Iterator[float]]
"""Watts one after another, until the event is set."""


class SampledMeter(Meter):
    """Integrates `samples`, drawn in a thread of its own, by trapezoids between the moments at which they came.

    The reading ends with the last sample. A sensor that stops answering makes `read_joules` raise.
    """

    def __init__(
        self,
        name: str,
        sees: Part,
        samples: Samples,
        *,
        settle_s: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name, self.sees, self.settle_s = name, sees, settle_s
        self._samples, self._clock = samples, clock
        self._joules = 0.0
        self._last: tuple[float, float] | None = None
        self._failed: str | None = None
        self._lock, self._stop = Lock(), Event()
        self._thread: Thread | None = None

    def __enter__(self) -> None:
        self._stop.clear()
        self._last = self._failed = None
        self._thread = Thread(target=self._draw, name=self.name, daemon=True)
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def read_joules(self) -> float:
        with self._lock:
            if self._failed is not None:
                raise SensorError(f"{self.name}: stopped answering ({self._failed}); measure again")
            return self._joules

    def _draw(self) -> None:
        why = "it ended"
        try:
            for watts in self._samples(self._stop):
                self._add(self._clock(), watts)
        except Exception as error:  # noqa: BLE001  (of a driver or its library: told to whoever reads next)
            why = str(error)
        if not self._stop.is_set():
            with self._lock:
                self._failed = why

    def _add(self, now: float, watts: float) -> None:
        with self._lock:
            if self._last is not None:
                then, before = self._last
                self._joules += (now - then) * (watts + before) / 2
            self._last = (now, watts)


def polled(read_watts: Callable[[], float], interval_s: float) -> Samples:
    """Samples of a sensor that answers whenever it is asked."""

    def samples(stop: Event) -> Iterator[float]:
        while not stop.is_set():
            yield read_watts()
            stop.wait(interval_s)

    return samples
