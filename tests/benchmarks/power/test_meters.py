"""Energy meters on made-up machines: counters that wrap, files that refuse, rails that overlap."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from edgeneuro.benchmarks.power.jetson import open_ina3221, open_tegrastats, parse_tegrastats, total_watts
from edgeneuro.benchmarks.power.meters import Meter, open_meters
from edgeneuro.benchmarks.power.missing import not_measured
from edgeneuro.benchmarks.power.nvml import open_nvml
from edgeneuro.benchmarks.power.rapl import open_rapl
from edgeneuro.benchmarks.power.sampled import SampledMeter
from edgeneuro.errors import SensorError
from tests.benchmarks.power.machine import write_files, write_ina3221, write_zone

WRAPS_AT = 262_143_328_850
ORIN_NANO = (
    "04-27-2026 14:59:43 RAM 775/7620MB (lfb 3x4MB) SWAP 0/3810MB (cached 0MB) CPU [0%@729,0%@729] EMC_FREQ 0%@2133 "
    "GR3D_FREQ 0%@[306] cpu@48.562C tj@49.062C VDD_IN 4761mW/4777mW VDD_CPU_GPU_CV 515mW/502mW VDD_SOC 1428mW/1428mW"
)
AGX_ORIN = (
    "RAM 13983/62780MB (lfb 424x4MB) CPU [90%@2201] GR3D_FREQ 14%@[407,407] NVDLA0_FREQ @1600 tj@77.281C "
    "VDD_GPU_SOC 3150mW/2971mW VDD_CPU_CV 14312mW/12415mW VIN_SYS_5V0 4968mW/5048mW VDDQ_VDD2_1V8AO 1091mW/1091mW"
)
XAVIER_NX = (
    "RAM 2673/7765MB (lfb 118x4MB) IRAM 0/252kB(lfb 252kB) CPU [12%@1190,off] AO@35C thermal@33.9C "
    "VDD_IN 3902/3611 VDD_CPU_GPU_CV 1331/1180 VDD_SOC 997/941"
)


def only(opened: list[Meter] | str) -> Meter:
    assert not isinstance(opened, str), opened
    (meter,) = opened
    return meter


def test_packages_and_their_memory_are_counted_once_each(tmp_path: Path) -> None:
    zones = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:0:1": "dram", "intel-rapl:1": "psys"}
    zones |= {"intel-rapl-mmio:0": "package-0"}
    folders = {zone: write_zone(tmp_path, zone, name, 1_000_000, WRAPS_AT) for zone, name in zones.items()}
    meter = only(open_rapl(tmp_path))
    for folder in folders.values():
        (folder / "energy_uj").write_text("3500000\n")
    assert (meter.name, meter.sees) == ("RAPL dram + package-0", "processor")
    assert meter.read_joules() == 5.0


def test_a_counter_that_starts_again_at_zero_goes_on(tmp_path: Path) -> None:
    folder = write_zone(tmp_path, "intel-rapl:0", "package-0", WRAPS_AT - 2_000_000, WRAPS_AT)
    meter = only(open_rapl(tmp_path))
    (folder / "energy_uj").write_text("1000000\n")
    assert meter.read_joules() == 3.0
    (folder / "energy_uj").write_text("1500000\n")
    assert meter.read_joules() == 3.5


def test_counters_only_root_may_read_name_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_zone(tmp_path, "intel-rapl:0", "package-0", 1, WRAPS_AT)
    read = Path.read_text

    def refused(path: Path, **options: str) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(path, **options)

    monkeypatch.setattr(Path, "read_text", refused)
    opened = open_rapl(tmp_path)
    assert isinstance(opened, str)
    assert "only root may read" in opened
    assert "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj" in opened


def test_a_counter_that_goes_away_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = write_zone(tmp_path, "intel-rapl:0", "package-0", 1, WRAPS_AT)
    meter = only(open_rapl(tmp_path))
    (folder / "energy_uj").unlink()
    with pytest.raises(SensorError, match="RAPL package-0: stopped answering"):
        meter.read_joules()


def test_watts_are_summed_between_the_moments_they_came() -> None:
    moments, given = iter((0.0, 1.0, 3.0)), Event()

    def samples(stop: Event) -> Iterator[float]:
        yield from (10.0, 20.0, 20.0)
        given.set()
        stop.wait()

    meter = SampledMeter("made up", "board", samples, settle_s=0.0, clock=lambda: next(moments))
    with meter:
        assert given.wait(10)
        assert meter.read_joules() == 15.0 + 40.0


def test_a_sensor_that_stops_answering_is_no_zero() -> None:
    failing = Event()

    def samples(stop: Event) -> Iterator[float]:
        yield 10.0
        failing.set()
        raise OSError("no such device")

    meter = SampledMeter("made up", "board", samples, settle_s=0.0)
    with meter:
        assert failing.wait(10)
        assert meter._thread is not None
        meter._thread.join()
        with pytest.raises(SensorError, match=r"made up: stopped answering \(no such device\)"):
            meter.read_joules()


def test_the_rail_that_feeds_all_others_is_the_whole(tmp_path: Path) -> None:
    write_ina3221(tmp_path, "hwmon1", {"VDD_IN": (5000, 1200), "VDD_CPU_GPU_CV": (5000, 300), "VDD_SOC": (5000, 400)})
    meter = open_ina3221(tmp_path)
    assert isinstance(meter, SampledMeter)
    assert (meter.name, meter.sees) == ("INA3221 VDD_IN", "board")
    assert next(meter._samples(Event())) == 6.0


def test_without_such_a_rail_those_that_do_not_overlap_are_added(tmp_path: Path) -> None:
    write_ina3221(
        tmp_path, "hwmon3", {"VDD_GPU_SOC": (10_000, 300), "VDD_CPU_CV": (10_000, 100), "VIN_SYS_5V0": (5000, 1000)}
    )
    write_ina3221(tmp_path, "hwmon4", {"NC": (0, 0), "VDDQ_VDD2_1V8AO": (5000, 80)})
    meter = open_ina3221(tmp_path)
    assert isinstance(meter, SampledMeter)
    assert meter.name == "INA3221 VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0"
    assert next(meter._samples(Event())) == 3.0 + 1.0 + 5.0


def test_a_rail_that_cannot_be_read_is_a_reason(tmp_path: Path) -> None:
    write_ina3221(tmp_path, "hwmon1", {"VDD_IN": (5000, 1200)})
    (tmp_path / "sys/class/hwmon/hwmon1/curr1_input").unlink()
    opened = open_ina3221(tmp_path)
    assert isinstance(opened, str)
    assert "curr1_input cannot be read" in opened


@pytest.mark.parametrize(
    ("line", "watts"),
    [(ORIN_NANO, 4.761), (AGX_ORIN, 3.150 + 14.312 + 4.968), (XAVIER_NX, 3.902)],
    ids=["JetPack 6, Orin Nano", "JetPack 6, AGX Orin", "JetPack 4, Xavier NX"],
)
def test_tegrastats_is_read_as_it_prints(line: str, watts: float) -> None:
    rails = parse_tegrastats(f"{line}\n")
    assert not {"RAM", "SWAP", "IRAM"} & set(rails)
    assert total_watts(rails) == pytest.approx(watts)


def test_tegrastats_without_rails_is_an_error_that_shows_the_line() -> None:
    with pytest.raises(SensorError, match="got 'RAM 900/3956MB CPU"):
        parse_tegrastats("RAM 900/3956MB CPU [5%@102]")


def test_tegrastats_is_run_only_where_sysfs_has_no_rails(tmp_path: Path) -> None:
    program = write_files(
        tmp_path, {"usr/bin/tegrastats": f'#!/bin/sh\nwhile :; do echo "{ORIN_NANO}"; sleep 0.01; done'}
    )
    (program / "usr/bin/tegrastats").chmod(0o755)
    meter = only(open_tegrastats(tmp_path))
    with meter:
        while meter.read_joules() == 0.0:
            pass
    assert [one.name for one in open_meters(tmp_path)[0] if one.sees == "board"] == ["tegrastats"]
    write_ina3221(tmp_path, "hwmon1", {"VDD_IN": (5000, 1200)})
    assert [one.name for one in open_meters(tmp_path)[0] if one.sees == "board"] == ["INA3221 VDD_IN"]


class FakeError(Exception):
    """Stands for pynvml.NVMLError."""


def fake_nvml(*, energy: bool) -> SimpleNamespace:
    """One card at 60 W; its counter moves 6 J a reading."""
    millijoules = iter(range(0, 10**9, 6000))

    def total(handle: object) -> int:
        if not energy:
            raise FakeError("Not Supported")
        return next(millijoules)

    return SimpleNamespace(
        NVMLError=FakeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda number: f"handle {number}",
        nvmlDeviceGetName=lambda handle: b"Tesla T4",
        nvmlDeviceGetTotalEnergyConsumption=total,
        nvmlDeviceGetPowerUsage=lambda handle: 60_000,
    )


def test_a_card_with_a_counter_is_read_in_joules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(energy=True))
    meter = only(open_nvml())
    assert (meter.name, meter.sees) == ("NVML Tesla T4, card 0", "gpu")
    before = meter.read_joules()
    assert meter.read_joules() - before == 6.0


def test_a_card_without_one_is_summed_and_waits_out_the_drivers_average(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(energy=False))
    meter = only(open_nvml())
    assert isinstance(meter, SampledMeter)
    assert meter.name == "NVML Tesla T4, card 0, power summed"
    assert meter.settle_s == 1.0
    assert next(meter._samples(Event())) == 60.0


@pytest.mark.parametrize("installed", [True, False])
def test_no_library_and_no_driver_are_reasons(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    fake = fake_nvml(energy=True)

    def no_driver() -> None:
        raise FakeError("Driver Not Loaded")

    fake.nvmlInit = no_driver
    monkeypatch.setitem(sys.modules, "pynvml", fake if installed else None)
    expected = "the driver does not answer (Driver Not Loaded)" if installed else "pip install 'edgeneuro[nvml]'"
    assert expected in str(open_nvml())


def test_a_machine_without_sensors_says_why_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    meters, missing = open_meters(tmp_path)
    assert meters == []
    assert list(missing) == ["INA3221", "tegrastats", "RAPL", "NVML"]
    said = not_measured(meters, missing, root=tmp_path)
    assert set(said) == {"device memory", "energy", "temperature", "clock frequency", "governor", "power mode"}
    assert "RAPL: no package under /sys/class/powercap" in said["energy"]


def test_what_is_measured_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    write_zone(tmp_path, "intel-rapl:0", "package-0", 1, WRAPS_AT)
    write_files(tmp_path, {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance"})
    said = not_measured(*open_meters(tmp_path), root=tmp_path)
    assert not {"energy", "governor"} & set(said)
    assert "temperature" in said


def test_a_graphics_card_alone_does_not_see_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(energy=True))
    said = not_measured(*open_meters(tmp_path), root=tmp_path)
    assert "a graphics card's meter sees none of what runs on the processor" in said["energy"]
