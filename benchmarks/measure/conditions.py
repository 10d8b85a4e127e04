"""What the machine was doing while the clock ran: others' work, the host's share, heat, clock, settings."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import final

from edgeneuro.benchmarks.document import Conditions, Snapshot
from edgeneuro.benchmarks.power import sensors
from edgeneuro.benchmarks.protocol import load_average

PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class _Spent:
    """Processor time so far, in seconds. total: of the processors this process may use, idle or not. busy: of it, not idle
    and not stolen. own: of this process and those of its children that have ended."""

    total: float
    busy: float
    stolen: float
    own: float


@final
class Watch:
    """A context around a run. threads: of each row, None where the backend chose.

    background_share is what the processors did beyond this process and its ended children; a child that is still running
    counts as background. It and steal_share are of the processors that this process may use. Linux only; elsewhere, and
    where /proc counts nothing, they are None.
    """

    def __init__(self, threads: int | None) -> None:
        self._threads = threads
        self._affinity: tuple[int, ...] = ()
        self._before: tuple[Snapshot, _Spent | None] | None = None
        self._after: tuple[Snapshot, _Spent | None] | None = None

    def __enter__(self) -> Watch:
        self._affinity = _affinity()
        self._before = _snapshot(), _spent(self._affinity)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._after is None:
            self.stop()

    def stop(self) -> None:
        """End of the run, where more is to be done inside the context."""
        self._after = _snapshot(), _spent(self._affinity)

    def conditions(self) -> Conditions:
        """From entering to leaving, or to `stop`."""
        assert self._before and self._after, "ask when the run has ended"
        (before, earlier), (after, later) = self._before, self._after
        background, stolen = _shares(earlier, later)
        return Conditions(
            threads=self._threads,
            affinity=self._affinity,
            governor=sensors.governor(),
            power_mode=sensors.power_mode(),
            virtual=_virtual(),
            background_share=background,
            steal_share=stolen,
            before=before,
            after=after,
        )


def _affinity() -> tuple[int, ...]:
    return tuple(sorted(os.sched_getaffinity(0))) if sys.platform == "linux" else ()


def _snapshot() -> Snapshot:
    return Snapshot(
        load_average=load_average(), temperature_c=sensors.temperature_c(), frequency_mhz=sensors.frequency_mhz()
    )


def _spent(processors: tuple[int, ...]) -> _Spent | None:
    """From /proc/stat, whose columns proc(5) names; guests are part of user. None where it cannot be read."""
    try:
        rows = re.findall(r"^cpu(\d+) (.+)$", (PROC / "stat").read_text(encoding="ascii"), re.MULTILINE)
        ticks = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
    counted = [[int(count) / ticks for count in row.split()[:8]] for name, row in rows if int(name) in processors]
    if not counted:
        return None
    user, nice, system, idle, waiting, irq, softirq, stolen = map(sum, zip(*counted, strict=True))
    busy, times = user + nice + system + irq + softirq, os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return _Spent(total=busy + idle + waiting + stolen, busy=busy, stolen=stolen, own=own)


def _shares(earlier: _Spent | None, later: _Spent | None) -> tuple[float | None, float | None]:
    """background_share and steal_share between two readings."""
    if earlier is None or later is None or later.total <= earlier.total:
        return None, None
    total = later.total - earlier.total
    others = (later.busy - earlier.busy) - (later.own - earlier.own)
    return max(0.0, others / total), (later.stolen - earlier.stolen) / total  # ticks: others may come out below 0


def _virtual() -> bool | None:
    """Whether a hypervisor shows itself. None where /proc/cpuinfo has no flags, as on ARM, or is not there."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", (PROC / "cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return None if flags is None else "hypervisor" in flags[1].split()
