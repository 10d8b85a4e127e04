"""How hot and how fast the processor is, and what holds it back.

Every function takes `root`, under which /sys, /proc and /etc are looked for, and returns None where the machine does not
say. Linux only: elsewhere all is None. Nothing here needs root. Sources: Documentation/hwmon (k10temp, coretemp),
Documentation/ABI/testing/sysfs-class-thermal, sysfs-devices-system-cpu, sysfs-platform_profile, sysfs-class-power of
Linux; for nvpmodel the Jetson Linux Developer Guide, "Platform Power and Performance": written from it, not run.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from edgeneuro.benchmarks.power.sysfs import number, text

ROOT = Path("/")
_CHIPS = ("k10temp", "zenpower", "coretemp", "cpu_thermal", "cpu-thermal")
"""Drivers under /sys/class/hwmon that measure the processor and nothing else."""
_ZONES = ("cpu", "tcpu", "soc", "tj", "x86_pkg_temp", "package", "bigcore", "littlecore")
"""Beginnings of the types of thermal zones on the processor's die. acpitz is left out: on many boards it is a constant."""
_PLAUSIBLE_C = (-40.0, 150.0)
"""A zone whose part of the chip is off says -256 on a Jetson."""


def temperature_c(root: Path = ROOT) -> float | None:
    """The hottest of the processor's sensors, degrees Celsius."""
    low, high = _PLAUSIBLE_C
    found = [degrees for degrees in (*_chip_temperatures(root), *_zone_temperatures(root)) if low < degrees < high]
    return max(found, default=None)


def frequency_mhz(root: Path = ROOT) -> float | None:
    """Mean clock of the processors, MHz: cpufreq's, else the "cpu MHz" of /proc/cpuinfo where the kernel measures it.

    Without the counters APERF and MPERF, and in a virtual machine, that line is a constant, and nothing is returned.
    """
    clocks = [number(file) for file in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")]
    running = [khz / 1e3 for khz in clocks if khz is not None]
    if not running:
        running = _cpuinfo_mhz(text(root / "proc/cpuinfo") or "")
    return sum(running) / len(running) if running else None


def governor(root: Path = ROOT) -> str | None:
    """cpufreq's governor, e.g. "performance"; several, sorted, where processors differ."""
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return ", ".join(sorted({name for name in map(text, files) if name})) or None


def power_mode(root: Path = ROOT) -> str | None:
    """What the board or system is set to, e.g. "nvpmodel 15W" or "platform profile balanced, on battery"."""
    profile = text(root / "sys/firmware/acpi/platform_profile")
    parts = (_nvpmodel(root), profile and f"platform profile {profile}", _supply(root))
    return ", ".join(part for part in parts if part) or None


def _chip_temperatures(root: Path) -> list[float]:
    found = []
    for chip in (root / "sys/class/hwmon").glob("hwmon*"):
        if text(chip / "name") in _CHIPS:
            labels = {file: text(chip / file.name.replace("input", "label")) for file in chip.glob("temp*_input")}
            die = [file for file, label in labels.items() if label == "Tdie"]  # Tctl has an offset, for the fan
            found += [number(file) for file in die or labels]
    return [millidegrees / 1e3 for millidegrees in found if millidegrees is not None]


def _zone_temperatures(root: Path) -> list[float]:
    zones = (root / "sys/class/thermal").glob("thermal_zone*")
    found = [number(zone / "temp") for zone in zones if (text(zone / "type") or "").lower().startswith(_ZONES)]
    return [millidegrees / 1e3 for millidegrees in found if millidegrees is not None]


def _cpuinfo_mhz(cpuinfo: str) -> list[float]:
    fields = [line.partition(":")[::2] for line in cpuinfo.splitlines()]
    flags = {flag for key, value in fields if key.strip() == "flags" for flag in value.split()}
    if "aperfmperf" not in flags or "hypervisor" in flags:
        return []
    return [float(value) for key, value in fields if key.strip() == "cpu MHz"]


def _nvpmodel(root: Path) -> str | None:
    """The mode of a Jetson: its number from the file nvpmodel keeps, its name from the table; else what nvpmodel says."""
    mode = re.search(r"pmode:0*(\d+)", text(root / "var/lib/nvpmodel/status") or "")
    if mode:
        table = text(root / "etc/nvpmodel.conf") or ""
        name = re.search(rf"^<\s*POWER_MODEL\s+ID={mode[1]}\s+NAME=(\S+)", table, re.MULTILINE)
        return f"nvpmodel {name[1]}" if name else f"nvpmodel mode {mode[1]}"
    program = root / "usr/sbin/nvpmodel"
    if not program.exists():
        return None
    try:
        done = subprocess.run([program, "-q"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = re.search(r"NV Power Mode:\s*(\S+)", done.stdout)
    return f"nvpmodel {said[1]}" if said else None


def _supply(root: Path) -> str | None:
    """ "on mains" or "on battery"; None for what has neither, or does not say."""
    supplies = list((root / "sys/class/power_supply").glob("*"))
    if any(text(supply / "type") in ("Mains", "USB") and text(supply / "online") == "1" for supply in supplies):
        return "on mains"
    own = [s for s in supplies if text(s / "type") == "Battery" and text(s / "scope") != "Device"]  # else a mouse's
    return "on battery" if any(text(supply / "status") == "Discharging" for supply in own) else None
