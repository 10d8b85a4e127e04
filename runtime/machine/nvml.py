"""GPUs and driver through the driver's management library. Needs the extra `nvml`; does not wake CUDA.

Source: NVML API Reference, "System Queries" and "Device Queries". Written from documentation, not run on a GPU.
"""

from __future__ import annotations

from typing import Any

from edgeneuro.runtime.machine.records import Driver, Gpu


def read_nvml() -> tuple[Driver, tuple[Gpu, ...]] | None:
    """None where the library is not installed or the driver does not answer, as without a GPU and on many Jetsons."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return _read(pynvml)
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _read(nvml: Any) -> tuple[Driver, tuple[Gpu, ...]]:
    cuda = int(nvml.nvmlSystemGetCudaDriverVersion_v2())  # 1000 x major + 10 x minor
    driver = Driver(version=_text(nvml.nvmlSystemGetDriverVersion()), cuda=f"{cuda // 1000}.{cuda % 1000 // 10}")
    handles = (nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount()))
    return driver, tuple(_gpu(nvml, handle) for handle in handles)


def _gpu(nvml: Any, handle: Any) -> Gpu:
    number, point = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    except nvml.NVMLError:  # a GPU that has no memory of its own
        memory = None
    return Gpu(
        name=_text(nvml.nvmlDeviceGetName(handle)),
        compute_capability=f"{number}.{point}",
        total_mib=None if memory is None else int(memory.total) >> 20,
        free_mib=None if memory is None else int(memory.free) >> 20,
    )


def _text(value: str | bytes) -> str:
    """Bytes before version 11.5 of the library."""
    return value.decode() if isinstance(value, bytes) else value
