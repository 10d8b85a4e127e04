"""CUDA graphs of a lane: the work of a frame recorded once, then started with one call.

A graph holds addresses and sizes, so there is one for each set of shapes, and all of them end when a buffer moves (CUDA
C++ Programming Guide, "CUDA Graphs"; TensorRT, "Working with CUDA Graphs").
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.cuda.api import Cuda

log = logging.getLogger("edgeneuro")

PLAIN_RUNS = 2
"""Before a capture: the first sets up what may not be set up while capturing."""


class Graphs:
    """enabled: False runs everything plainly. captured, refused: how many captures succeeded and failed."""

    def __init__(self, cuda: Cuda, stream: int, *, enabled: bool) -> None:
        self._cuda, self._stream, self._enabled = cuda, stream, enabled
        self._graphs: dict[Hashable, int] = {}
        self._runs: Counter[Hashable] = Counter()
        self._refused: set[Hashable] = set()
        self.captured = 0

    @property
    def refused(self) -> int:
        return len(self._refused)

    def replay(self, key: Hashable) -> bool:
        """Start the graph of `key`; False where there is none."""
        graph = self._graphs.get(key)
        if graph is None:
            return False
        self._cuda.launch(graph, self._stream)
        return True

    def run(self, key: Hashable, work: Callable[[], None], *, settled: bool) -> None:
        """Enqueue `work`, or capture it and start the graph once it has run plainly often enough.

        settled: nothing about the shapes has changed since the run before; only then does TensorRT enqueue nothing that
        cannot be captured.
        """
        if settled and self._wanted(key) and self._capture(key, work):
            self.replay(key)
            return
        work()
        self._runs[key] += 1

    def clear(self) -> None:
        """Destroy every graph; the shapes that could not be captured are not tried again."""
        graphs, self._graphs = self._graphs, {}
        self._runs.clear()
        for graph in graphs.values():
            self._cuda.destroy_graph(graph)

    def _wanted(self, key: Hashable) -> bool:
        return self._enabled and key not in self._refused and self._runs[key] >= PLAIN_RUNS

    def _capture(self, key: Hashable, work: Callable[[], None]) -> bool:
        try:
            self._graphs[key] = self._cuda.capture(self._stream, work)
        except BackendError as error:
            self._refused.add(key)
            log.info("no CUDA graph for inputs of these shapes, which run without one: %s", error)
            return False
        self.captured += 1
        return True
