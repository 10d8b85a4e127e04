"""CUDA through cuda-python, the runtime API.

The runtime API works in the device's primary context by itself: `cudaSetDevice`, then any call. Its signatures used here
are the same from CUDA 11.4 to 13.5, `cudaGraphInstantiateWithFlags` among them, where `cudaGraphInstantiate` is not.
Source: CUDA Runtime API reference; cuda-python's documentation, module `cuda.bindings.runtime`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.common import first_line
from edgeneuro.runtime.backends.cuda.api import Direction, GpuDevice, HostBuffer
from edgeneuro.runtime.backends.cuda.held import Held

_REMEDIES = {
    "cudaErrorMemoryAllocation": "close what else uses the GPU, or build the engine with a smaller batch or workspace",
    "cudaErrorInvalidDevice": "name a device that `edgeneuro doctor` lists",
    "cudaErrorStreamCaptureUnsupported": "run without CUDA graphs",
    "cudaErrorStreamCaptureInvalidated": "run without CUDA graphs",
    "cudaErrorIllegalAddress": "start the program again: CUDA gave up this process",
    "cudaErrorLaunchFailure": "start the program again: CUDA gave up this process",
}
_OTHERWISE = "run `edgeneuro doctor` on this machine"


class CudaPython:
    """`Cuda` over cuda-python. After `free_host` the buffer's array must not be touched: its memory is gone."""

    name = "cuda-python"
    captures = True

    def __init__(self, device: int = 0) -> None:
        """device: index of the GPU. Raises BackendError: no driver, no such GPU; ImportError: no cuda-python."""
        self._runtime, self.version = load()
        count = device_count()
        if not 0 <= device < count:
            raise BackendError(f"{self._label}: got GPU {device}, expected one of the {count} here, counted from 0")
        self._device = device
        self._held = Held(self._label)
        self._closed = False
        kind = self._runtime.cudaMemcpyKind
        self._kinds = {
            "to_device": kind.cudaMemcpyHostToDevice,
            "to_host": kind.cudaMemcpyDeviceToHost,
            "on_device": kind.cudaMemcpyDeviceToDevice,
        }
        self.bind()

    @property
    def _label(self) -> str:
        return f"cuda-python {self.version}"

    def bind(self) -> None:
        """As `Cuda` says. Raises BackendError after `close`."""
        if self._closed:
            raise BackendError(f"{self._label}: is closed; open it again")
        self._call("cudaSetDevice", self._device)

    def device(self) -> GpuDevice:
        self.bind()
        facts = self._call("cudaGetDeviceProperties", self._device)
        free, total = self._call("cudaMemGetInfo")
        return GpuDevice(
            index=self._device,
            name=facts.name.decode(),
            compute_capability=f"{facts.major}.{facts.minor}",
            multiprocessors=facts.multiProcessorCount,
            total_bytes=total,
            free_bytes=free,
            integrated=bool(facts.integrated),
            driver=_dotted(self._call("cudaDriverGetVersion")),
            runtime=_dotted(self._call("cudaRuntimeGetVersion")),
        )

    def allocate(self, nbytes: int) -> int:
        _check_size(self._label, nbytes)
        address = int(self._call("cudaMalloc", nbytes))
        return self._held.add("device memory", address, address)

    def free(self, address: int) -> None:
        self._call("cudaFree", self._held.take("device memory", address))

    def allocate_host(self, nbytes: int, *, mapped: bool) -> HostBuffer:
        _check_size(self._label, nbytes)
        runtime = self._runtime
        flags = runtime.cudaHostAllocMapped if mapped else runtime.cudaHostAllocDefault
        address = int(self._call("cudaHostAlloc", nbytes, flags))
        self._held.add("host memory", address, address)
        array = np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))
        seen = int(self._call("cudaHostGetDevicePointer", address, 0)) if mapped else None
        return HostBuffer(address=address, array=array, device_address=seen)

    def free_host(self, buffer: HostBuffer) -> None:
        self._free_host(buffer.address)

    def create_stream(self) -> int:
        stream = self._call("cudaStreamCreateWithFlags", self._runtime.cudaStreamNonBlocking)
        return self._held.add("stream", int(stream), stream)

    def destroy_stream(self, stream: int) -> None:
        self._call("cudaStreamDestroy", self._held.take("stream", stream))

    def synchronize(self, stream: int) -> None:
        """As `Cuda` says, for any stream of the device's primary context."""
        self._call("cudaStreamSynchronize", stream)

    def copy(self, destination: int, source: int, nbytes: int, direction: Direction, stream: int) -> None:
        self._call("cudaMemcpyAsync", destination, source, nbytes, self._kinds[direction], stream)

    def create_event(self) -> int:
        event = self._call("cudaEventCreate")
        return self._held.add("event", int(event), event)

    def destroy_event(self, event: int) -> None:
        self._call("cudaEventDestroy", self._held.take("event", event))

    def record(self, event: int, stream: int) -> None:
        self._call("cudaEventRecord", self._held.get("event", event), stream)

    def elapsed_ms(self, start: int, end: int) -> float:
        first, last = self._held.get("event", start), self._held.get("event", end)
        self._call("cudaEventSynchronize", last)
        return float(self._call("cudaEventElapsedTime", first, last))

    def capture(self, stream: int, work: Callable[[], None]) -> int:
        """As `Cuda` says. What `work` itself raises comes through, once the stream is usable again."""
        self._call(
            "cudaStreamBeginCapture", stream, self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        )
        try:
            work()
        except BaseException:
            self._abandon_capture(stream)
            raise
        graph = self._call("cudaStreamEndCapture", stream)
        try:
            executable = self._call("cudaGraphInstantiateWithFlags", graph, 0)
        finally:
            self._call("cudaGraphDestroy", graph)
        return self._held.add("graph", int(executable), executable)

    def launch(self, graph: int, stream: int) -> None:
        self._call("cudaGraphLaunch", self._held.get("graph", graph), stream)

    def destroy_graph(self, graph: int) -> None:
        self._call("cudaGraphExecDestroy", self._held.take("graph", graph))

    def close(self) -> None:
        """Give back what is still held, in the order of `held.KINDS`; a second call does nothing.

        The primary context stays until the process ends, as PyTorch and ONNX Runtime leave it too.
        """
        if self._closed:
            return
        self.bind()
        release = {
            "graph": self.destroy_graph,
            "event": self.destroy_event,
            "stream": self.destroy_stream,
            "device memory": self.free,
            "host memory": self._free_host,
        }
        try:
            self._held.give_back_all(release)
        finally:
            self._closed = True

    def _free_host(self, address: int) -> None:
        self._call("cudaFreeHost", self._held.take("host memory", address))

    def _abandon_capture(self, stream: int) -> None:
        """End a capture that failed. CUDA's own complaint about it says nothing that the first failure did not."""
        status, graph = self._runtime.cudaStreamEndCapture(stream)
        if int(status) == 0:
            self._runtime.cudaGraphDestroy(graph)
        self._runtime.cudaGetLastError()

    def _call(self, function: str, *arguments: Any) -> Any:
        """What a CUDA function returns behind its status: nothing, one value or a tuple."""
        return _call(self._runtime, self._label, function, *arguments)


def device_count() -> int:
    """Number of GPUs the driver offers; makes no context. Raises BackendError: no driver or GPU; ImportError: no
    cuda-python."""
    runtime, version = load()
    label = f"cuda-python {version}"
    try:
        status, count = runtime.cudaGetDeviceCount()
    except RuntimeError as error:  # how versions before 13 say that the driver's library is missing
        raise _no_driver(label, first_line(error)) from error
    if int(status) == 0:
        return int(count)
    runtime.cudaGetLastError()
    said = _words(runtime, status)
    if status.name == "cudaErrorNoDevice":
        raise BackendError(
            f"{label}: finds no GPU ({said}); check that this process may see one (CUDA_VISIBLE_DEVICES, container)"
        )
    if status.name != "cudaErrorInsufficientDriver":
        raise BackendError(f"{label}: cannot ask for GPUs ({said}); {_OTHERWISE}")
    driver, library = (_dotted(_call(runtime, label, f"cuda{part}GetVersion")) for part in ("Driver", "Runtime"))
    if driver == "0.0":
        raise _no_driver(label, said)
    raise BackendError(
        f"{label}: needs CUDA {library}, but the driver serves {driver} ({said}); "
        f"run: pip install 'cuda-bindings<{int(driver.partition('.')[0]) + 1}', or upgrade the driver"
    )


def load() -> tuple[Any, str]:
    """The module of the runtime API and its version. Raises ImportError."""
    try:
        from cuda import bindings
        from cuda.bindings import runtime
    except ImportError:  # up to 12.5
        import cuda
        from cuda import cudart

        return cudart, str(cuda.__version__)
    return runtime, str(bindings.__version__)


def _call(runtime: Any, label: str, function: str, *arguments: Any) -> Any:
    try:
        status, *values = getattr(runtime, function)(*arguments)
    except RuntimeError as error:
        raise BackendError(f"{label}: {function} failed ({first_line(error)}); {_OTHERWISE}") from error
    if int(status) != 0:
        runtime.cudaGetLastError()  # so that the next call does not report it again
        remedy = _REMEDIES.get(status.name, _OTHERWISE)
        raise BackendError(f"{label}: {function} failed ({_words(runtime, status)}); {remedy}")
    return values[0] if len(values) == 1 else tuple(values)


def _words(runtime: Any, status: Any) -> str:
    _, text = runtime.cudaGetErrorString(status)
    return f"{status.name}: {text.decode()}"


def _no_driver(label: str, said: str) -> BackendError:
    return BackendError(f"{label}: finds no NVIDIA driver ({said}); install it, or run with a backend for processors")


def _check_size(label: str, nbytes: int) -> None:
    if nbytes < 1:
        raise BackendError(f"{label}: got {nbytes} bytes to allocate, expected at least 1")


def _dotted(version: int) -> str:
    """CUDA's 12060 as "12.6"."""
    return f"{version // 1000}.{version % 1000 // 10}"
