"""The library's own progress monitor, as lines for people."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from edgeneuro.runtime.backends.trt.library import Library

INTERVAL_S = 1.0
"""Between two lines about steps; a phase may have thousands."""


class Monitor:
    """Mixed in front of the library's IProgressMonitor, which calls it from threads of its own.

    report: gets a line when a phase begins, and of its steps now and then. Once it raises OSError, as a pipe does whose
    reader is gone, the build is given up.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._steps: dict[str, int] = {}
        self._last = 0.0
        self._alone = False

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        """Called by the library."""
        with self._lock:
            self._steps[phase_name] = num_steps
            self._say(f"{parent_phase}: {phase_name}" if parent_phase else phase_name)

    def step_complete(self, phase_name: str, step: int) -> bool:
        """Called by the library, with steps from 0; whether to go on."""
        with self._lock:
            if time.monotonic() - self._last >= INTERVAL_S:
                self._say(f"{phase_name}: {step + 1} of {self._steps.get(phase_name, 0)}")
            return not self._alone

    def phase_finish(self, phase_name: str) -> None:
        """Called by the library."""
        with self._lock:
            self._steps.pop(phase_name, None)

    def _say(self, line: str) -> None:
        self._last = time.monotonic()
        try:
            self._report(line)
        except OSError:
            self._alone = True


def make_monitor(library: Library, report: Callable[[str], None]) -> Any:
    """An IProgressMonitor of this library."""
    base = library.module.IProgressMonitor

    class ProgressMonitor(Monitor, base):  # type: ignore[misc, valid-type]  # the library has no type hints
        def __init__(self) -> None:
            base.__init__(self)
            Monitor.__init__(self, report)

    return ProgressMonitor()
