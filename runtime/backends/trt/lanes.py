"""As many lanes as calls overlap: each thread gets one that is free, or a new one."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from edgeneuro.runtime.backends.trt.lane import Lane
from edgeneuro.runtime.backends.trt.runtime_cache import KernelCache


class Lanes:
    """make: a new lane. kernels: told of every frame, None where the library compiles nothing.

    A lane is never given up, so its memory stays: as many as calls ever overlapped. all: every lane, the oldest first.
    """

    def __init__(self, make: Callable[[], Lane], kernels: KernelCache | None) -> None:
        self._make, self._kernels = make, kernels
        self._free: list[Lane] = []
        self._lock = Lock()
        self.all: list[Lane] = []

    def take(self) -> Lane:
        """The lane used last, whose memory is warm. Raises BackendError when there is no memory for one more."""
        with self._lock:  # contexts of one engine are made one after the other
            if self._free:
                return self._free.pop()
            lane = self._make()
            self.all.append(lane)
            return lane

    def give_back(self, lane: Lane, *, ran: bool) -> None:
        """ran: a frame was computed with it."""
        with self._lock:
            self._free.append(lane)
            if ran and self._kernels is not None:
                self._kernels.ran(idle=len(self._free) == len(self.all))
