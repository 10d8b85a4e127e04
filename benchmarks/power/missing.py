"""What of memory, power and heat this machine does not tell, in sentences for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgeneuro.benchmarks.power.meters import Meter
from edgeneuro.benchmarks.power.sensors import frequency_mhz, governor, power_mode, temperature_c


def not_measured(meters: Sequence[Meter], missing: Mapping[str, str], *, root: Path = Path("/")) -> dict[str, str]:
    """What -> why not here. meters, missing: what `open_meters` gave."""
    found = {"device memory": "every backend here runs on the processor and uses the memory of the process"}
    if not any(meter.sees != "gpu" for meter in meters):
        reasons = "; ".join(f"{sensor}: {reason}" for sensor, reason in missing.items())
        only = "; a graphics card's meter sees none of what runs on the processor" if meters else ""
        found["energy"] = f"no sensor that sees the processor is readable here ({reasons}){only}"
    silent = {
        "temperature": (temperature_c, "no sensor of the processor under /sys/class/hwmon or /sys/class/thermal"),
        "clock frequency": (frequency_mhz, "no cpufreq under /sys, and the clock in /proc/cpuinfo is not measured"),
        "governor": (governor, "no cpufreq under /sys: the host or the firmware sets the clock"),
        "power mode": (power_mode, "no nvpmodel, platform profile or battery"),
    }
    return found | {what: why for what, (read, why) in silent.items() if read(root) is None}
