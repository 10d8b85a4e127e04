"""How much memory a process holds, without a library."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from edgeneuro.errors import SensorError

STATUS = Path("/proc/self/status")


@dataclass(frozen=True, kw_only=True)
class Resident:
    """Bytes in RAM, shared libraries included. peak: since the process was started."""

    now: int
    peak: int


def resident(status: Path = STATUS) -> Resident:
    """Of this process; its children are not counted.

    Linux: VmRSS and VmHWM of `status`. macOS: ru_maxrss of getrusage for both, which is right for `now` only while nothing
    has been given back; from its manual page, not run. Raises SensorError elsewhere.
    """
    if status.exists():
        said = status.read_text(encoding="ascii", errors="replace")
        return Resident(now=status_bytes(said, "VmRSS"), peak=status_bytes(said, "VmHWM"))
    if sys.platform != "darwin":
        raise SensorError(f"memory: {sys.platform} has no {STATUS}; measure it on Linux or macOS")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes here, kilobytes on Linux
    return Resident(now=peak, peak=peak)


def status_bytes(status: str, field: str) -> int:
    """A line like "VmHWM:   103424 kB" of /proc/self/status. Raises SensorError where there is none."""
    for line in status.splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise SensorError(f"memory: {STATUS} has no line {field}, expected one as Linux writes it")
