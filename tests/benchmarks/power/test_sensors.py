"""Temperature, clock, governor and power mode, read from made-up machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeneuro.benchmarks.power.sensors import frequency_mhz, governor, power_mode, temperature_c
from tests.benchmarks.power.machine import write_files

HWMON, ZONES, CPUS = "sys/class/hwmon", "sys/class/thermal", "sys/devices/system/cpu"
NVPMODEL_CONF = """\
# POWER_MODEL ID=0 NAME=commented out
< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=2 NAME=MAXN_SUPER >"""


def test_a_machine_that_says_nothing_gives_none(tmp_path: Path) -> None:
    assert [read(tmp_path) for read in (temperature_c, frequency_mhz, governor, power_mode)] == [None] * 4


def test_the_hottest_core_counts_and_a_disk_does_not(tmp_path: Path) -> None:
    files = {"hwmon0/name": "nvme", "hwmon0/temp1_input": "91000"}
    files |= {"hwmon1/name": "coretemp", "hwmon1/temp1_input": "54000", "hwmon1/temp2_input": "61000"}
    write_files(tmp_path / HWMON, files)
    assert temperature_c(tmp_path) == 61.0


def test_the_die_is_taken_before_the_offset_value_that_drives_the_fan(tmp_path: Path) -> None:
    files = {"name": "k10temp", "temp1_label": "Tctl", "temp1_input": "95250"}
    files |= {"temp2_label": "Tdie", "temp2_input": "68250", "temp3_label": "Tccd1", "temp3_input": "66000"}
    write_files(tmp_path / HWMON / "hwmon0", files)
    assert temperature_c(tmp_path) == 68.25


def test_zones_of_the_die_count_and_those_of_the_board_do_not(tmp_path: Path) -> None:
    zones = {"cpu-thermal": "48562", "tj-thermal": "50500", "gpu-thermal": "-256000", "PMIC-Die": "100000"}
    zones |= {"acpitz": "27800", "cpuss-off": "-256000"}
    for number, (kind, millidegrees) in enumerate(zones.items()):
        write_files(tmp_path / ZONES / f"thermal_zone{number}", {"type": kind, "temp": millidegrees})
    assert temperature_c(tmp_path) == 50.5


def test_the_clock_is_the_mean_over_processors(tmp_path: Path) -> None:
    write_files(
        tmp_path / CPUS, {f"cpu{i}/cpufreq/scaling_cur_freq": f"{khz}" for i, khz in enumerate((800_000, 3_600_000))}
    )
    assert frequency_mhz(tmp_path) == 2200.0


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu aperfmperf", 2500.0), ("fpu", None), ("fpu aperfmperf hypervisor", None)],
    ids=["measured", "constant", "virtual"],
)
def test_cpuinfo_counts_only_where_the_kernel_measures_the_clock(
    tmp_path: Path, flags: str, expected: float | None
) -> None:
    said = "".join(
        f"processor\t: {i}\ncpu MHz\t\t: {mhz}\nflags\t\t: {flags}\n\n" for i, mhz in ((0, 2000.0), (1, 3000.0))
    )
    write_files(tmp_path, {"proc/cpuinfo": said})
    assert frequency_mhz(tmp_path) == expected


def test_governors_that_differ_are_all_named(tmp_path: Path) -> None:
    names = ("powersave", "performance", "powersave")
    write_files(tmp_path / CPUS, {f"cpu{i}/cpufreq/scaling_governor": name for i, name in enumerate(names)})
    assert governor(tmp_path) == "performance, powersave"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pmode:0000", "nvpmodel 15W"),
        ("pmode:0002 fmode:quiet", "nvpmodel MAXN_SUPER"),
        ("pmode:0010", "nvpmodel mode 10"),
    ],
)
def test_a_jetson_names_its_mode(tmp_path: Path, status: str, expected: str) -> None:
    write_files(tmp_path, {"var/lib/nvpmodel/status": status, "etc/nvpmodel.conf": NVPMODEL_CONF})
    assert power_mode(tmp_path) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [("echo 'NV Power Mode: 25W'; echo 1", "nvpmodel 25W"), ("echo failed >&2; exit 1", None)],
    ids=["answers", "refuses"],
)
def test_a_jetson_without_the_file_is_asked(tmp_path: Path, script: str, expected: str | None) -> None:
    write_files(tmp_path, {"usr/sbin/nvpmodel": f'#!/bin/sh\n[ "$*" = "-q" ] || exit 2\n{script}'})
    (tmp_path / "usr/sbin/nvpmodel").chmod(0o755)
    assert power_mode(tmp_path) == expected


def test_a_laptop_says_its_profile_and_what_feeds_it(tmp_path: Path) -> None:
    files = {"sys/firmware/acpi/platform_profile": "balanced"}
    supply = "sys/class/power_supply"
    files |= {f"{supply}/AC/type": "Mains", f"{supply}/AC/online": "0"}
    files |= {f"{supply}/BAT0/type": "Battery", f"{supply}/BAT0/status": "Discharging"}
    write_files(tmp_path, files)
    assert power_mode(tmp_path) == "platform profile balanced, on battery"
    write_files(tmp_path, {f"{supply}/AC/online": "1"})
    assert power_mode(tmp_path) == "platform profile balanced, on mains"


def test_the_battery_of_a_mouse_is_not_the_machines(tmp_path: Path) -> None:
    files = {"type": "Battery", "scope": "Device", "status": "Discharging"}
    write_files(tmp_path / "sys/class/power_supply/hidpp_battery_0", files)
    assert power_mode(tmp_path) is None


def test_a_sensor_that_is_asleep_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, kind in enumerate(("cpu-thermal", "soc0-thermal")):
        write_files(tmp_path / ZONES / f"thermal_zone{number}", {"type": kind, "temp": f"{40 + number}000"})
    read = Path.read_text

    def asleep(path: Path, **options: str) -> str:
        if path.parent.name == "thermal_zone1" and path.name == "temp":
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return read(path, **options)

    assert temperature_c(tmp_path) == 41.0
    monkeypatch.setattr(Path, "read_text", asleep)
    assert temperature_c(tmp_path) == 40.0
