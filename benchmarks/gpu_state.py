"""Which GPU, what it is set to and what it is doing: what a reader needs to judge times by."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

from edgeneuro.benchmarks.power import sensors
from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.cuda.api import GpuDevice

NAME_BYTES = 256


def driver_devices() -> tuple[str, ...]:
    """Names of the GPUs as NVIDIA's driver itself gives them, past every Python library; none where it does not answer.

    Source: CUDA Driver API, cuInit, cuDeviceGetCount, cuDeviceGet, cuDeviceGetName. Written from documentation, not run.
    """
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return ()
    count, device, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(NAME_BYTES)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return ()
    names = []
    for index in range(count.value):
        if driver.cuDeviceGet(ctypes.byref(device), index) or driver.cuDeviceGetName(name, NAME_BYTES, device):
            return ()
        names.append(name.value.decode())
    return tuple(names)


def refuse_pretended(device: GpuDevice) -> None:
    """Raise BackendError unless the driver knows `device`: a test's fake looks like a GPU to everything above it."""
    known = driver_devices()
    if device.name not in known:
        raise BackendError(
            f"no GPU: CUDA from Python names {device.name!r}, NVIDIA's driver names {', '.join(known) or 'none'}; "
            "nothing is measured on a device that the driver does not know"
        )


def device_facts(device: GpuDevice) -> dict[str, Any]:
    """What CUDA says of the device, and the board's power mode where it has one."""
    return {
        "gpu": device.name,
        "compute capability": device.compute_capability,
        "multiprocessors": device.multiprocessors,
        "memory, MiB": device.total_bytes >> 20,
        "shares memory with the processor": device.integrated,
        "driver's CUDA": device.driver,
        "runtime's CUDA": device.runtime,
        "power mode": sensors.power_mode(),
    }


def gpu_state(index: int = 0) -> dict[str, Any]:
    """Driver, clocks, temperature, power and limit now, by NVML; empty where that is not there, as on a Jetson.

    A number the card does not tell is left out. Source: NVML API Reference. Written from documentation, not run.
    """
    try:
        import pynvml
    except ImportError:
        return {}
    try:
        pynvml.nvmlInit()  # stays so until the process ends
        card = pynvml.nvmlDeviceGetHandleByIndex(index)
    except pynvml.NVMLError:
        return {}
    asked: dict[str, Callable[[], Any]] = {
        "driver": lambda: _text(pynvml.nvmlSystemGetDriverVersion()),
        "SM clock, MHz": lambda: pynvml.nvmlDeviceGetClockInfo(card, pynvml.NVML_CLOCK_SM),
        "highest SM clock, MHz": lambda: pynvml.nvmlDeviceGetMaxClockInfo(card, pynvml.NVML_CLOCK_SM),
        "memory clock, MHz": lambda: pynvml.nvmlDeviceGetClockInfo(card, pynvml.NVML_CLOCK_MEM),
        "temperature, C": lambda: pynvml.nvmlDeviceGetTemperature(card, pynvml.NVML_TEMPERATURE_GPU),
        "power, W": lambda: pynvml.nvmlDeviceGetPowerUsage(card) / 1e3,
        "power limit, W": lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(card) / 1e3,
        "persistence mode": lambda: bool(pynvml.nvmlDeviceGetPersistenceMode(card)),
        "throttle reasons": lambda: hex(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(card)),
    }
    found = {}
    for name, ask in asked.items():
        try:
            found[name] = ask()
        except pynvml.NVMLError:
            continue
    return found


def _text(value: str | bytes) -> str:
    """Bindings before version 11.5 give bytes."""
    return value.decode() if isinstance(value, bytes) else value
