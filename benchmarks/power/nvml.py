"""NVIDIA graphics cards, through the driver's management library. Needs the extra `nvml`; imported when asked.

Source: NVML API Reference, nvmlDeviceGetTotalEnergyConsumption (millijoules since the driver was loaded; Volta and later)
and nvmlDeviceGetPowerUsage (milliwatts; from Ampere on the mean over a second). Written from documentation, not run.
"""

from __future__ import annotations

from typing import Any

from edgeneuro.benchmarks.power.meters import Meter, Part
from edgeneuro.benchmarks.power.sampled import SampledMeter, polled
from edgeneuro.errors import SensorError

_INTERVAL_S = 0.05
_AVERAGED_S = 1.0
"""Over which the driver averages power."""
_UPDATED_S = 0.1
"""Between two updates of the energy counter, at most."""


class NvmlMeter(Meter):
    """The energy counter of one card."""

    sees: Part = "gpu"
    settle_s = _UPDATED_S

    def __init__(self, nvml: Any, handle: Any, name: str) -> None:
        """nvml: the module pynvml, initialised. Raises its NVMLError where the card has no such counter."""
        self.name, self._nvml, self._handle = name, nvml, handle
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)

    def read_joules(self) -> float:
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3
        except self._nvml.NVMLError as error:
            raise SensorError(f"{self.name}: stopped answering ({error}); measure again") from error


def open_nvml() -> list[Meter] | str:
    """One meter a card: its counter, or, where it has none, its power, summed; or why there is none."""
    try:
        import pynvml
    except ImportError:
        return "the library is not installed; with an NVIDIA card: pip install 'edgeneuro[nvml]'"
    try:
        pynvml.nvmlInit()  # stays so until the process ends
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
        return [_card(pynvml, handle, number) for number, handle in enumerate(handles)] or "the driver knows no card"
    except pynvml.NVMLError as error:
        return f"the driver does not answer ({error})"


def _card(nvml: Any, handle: Any, number: int) -> Meter:
    """Raises NVMLError where the card tells neither energy nor power."""
    model = nvml.nvmlDeviceGetName(handle)
    name = f"NVML {model.decode() if isinstance(model, bytes) else model}, card {number}"  # bytes before version 11.5
    try:
        return NvmlMeter(nvml, handle, name)
    except nvml.NVMLError:
        nvml.nvmlDeviceGetPowerUsage(handle)

        def watts() -> float:
            return float(nvml.nvmlDeviceGetPowerUsage(handle)) / 1e3

        return SampledMeter(f"{name}, power summed", "gpu", polled(watts, _INTERVAL_S), settle_s=_AVERAGED_S)
