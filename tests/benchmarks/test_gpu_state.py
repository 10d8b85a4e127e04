"""What is read off the GPU's driver, from drivers made up."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from edgeneuro.benchmarks import gpu_state


class NVMLError(Exception):
    """As pynvml names it."""


def refuse(*_: object) -> None:
    raise NVMLError("Not Supported")


def test_numbers_that_a_card_does_not_tell_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, Any] = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlSystemGetDriverVersion": lambda: b"560.35",
        "nvmlDeviceGetClockInfo": lambda card, kind: 1500 + kind,
        "nvmlDeviceGetPowerUsage": lambda card: 61_500,
        "NVML_CLOCK_SM": 1,
        "NVML_CLOCK_MEM": 2,
        "NVML_TEMPERATURE_GPU": 0,
        "NVMLError": NVMLError,
    }
    refused = ("MaxClockInfo", "Temperature", "EnforcedPowerLimit", "PersistenceMode", "CurrentClocksThrottleReasons")
    known |= {f"nvmlDeviceGet{name}": refuse for name in refused}
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(**known))
    assert gpu_state.gpu_state() == {
        "driver": "560.35",
        "SM clock, MHz": 1501,
        "memory clock, MHz": 1502,
        "power, W": 61.5,
    }


def test_without_nvml_nothing_is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpu_state.gpu_state() == {}


class Driver:
    """libcuda with two GPUs, or one that refuses to start."""

    def __init__(self, *, starts: bool = True) -> None:
        self.starts = starts

    def cuInit(self, flags: int) -> int:
        return 0 if self.starts else 100

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = 2
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:
        name.value = (b"NVIDIA H100", b"Orin")[device.value]
        return 0


def test_the_driver_is_asked_itself_and_names_none_where_it_is_missing_or_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver())
    assert gpu_state.driver_devices() == ("NVIDIA H100", "Orin")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver(starts=False))
    assert gpu_state.driver_devices() == ()

    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert gpu_state.driver_devices() == ()
