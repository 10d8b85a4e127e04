"""RAPL: the energy counters of x86 processors, as Linux's powercap shows them.

Source: Linux, Documentation/power/powercap/powercap.rst and ABI/testing/sysfs-class-powercap: a zone is a folder with
`name`, `energy_uj` (microjoules, counts up and starts again at 0) and `max_energy_range_uj` (where it does). AMD's
counters are under the same names (Zen, since Linux 5.8 and 5.11). Written from documentation, not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeneuro.benchmarks.power.meters import Meter, Part
from edgeneuro.benchmarks.power.sysfs import text
from edgeneuro.errors import SensorError

_ZONES = "sys/class/powercap/intel-rapl:*"
"""Not intel-rapl-mmio, which counts the same package a second time."""


class RaplMeter(Meter):
    """The sum over `zones`. A counter must not go round twice between two readings: at 100 W that takes most of an hour."""

    sees: Part = "processor"

    def __init__(self, zones: Sequence[Path]) -> None:
        """Raises OSError, ValueError where a zone cannot be read."""
        self.name = f"RAPL {' + '.join(sorted({text(zone / 'name') or zone.name for zone in zones}))}"
        self._ranges = {zone: int((zone / "max_energy_range_uj").read_text()) for zone in zones}
        self._last = {zone: _microjoules(zone) for zone in zones}
        self._counted = 0

    def read_joules(self) -> float:
        """Since it was opened. Raises SensorError."""
        for zone, last in self._last.items():
            try:
                now = _microjoules(zone)
            except (OSError, ValueError) as error:
                raise SensorError(f"{self.name}: stopped answering ({error}); measure again") from error
            self._counted += now - last + (self._ranges[zone] if now < last else 0)
            self._last[zone] = now
        return self._counted / 1e6


def open_rapl(root: Path) -> list[Meter] | str:
    """One meter over all packages, and the memory where it has a counter of its own; or why there is none.

    Left out: "core" and "uncore", which are parts of a package, and "psys", which holds the packages.
    """
    zones = [zone for zone in sorted(root.glob(_ZONES)) if _is_counted(text(zone / "name") or "")]
    if not zones:
        return (
            f"no package under /{_ZONES}: not an x86 machine, or a virtual one, or the kernel module intel_rapl_msr "
            "is not loaded"
        )
    try:
        return [RaplMeter(zones)]
    except PermissionError:
        return (
            f"only root may read /{_ZONES}/energy_uj (Linux since 5.10, CVE-2020-8694); "
            f"until the next start: sudo chmod a+r /{_ZONES}/energy_uj"
        )
    except (OSError, ValueError) as error:
        return f"/{_ZONES} cannot be read ({error})"


def _is_counted(name: str) -> bool:
    return name.startswith("package-") or name == "dram"


def _microjoules(zone: Path) -> int:
    return int((zone / "energy_uj").read_text())
