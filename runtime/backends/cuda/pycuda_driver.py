"""CUDA through pycuda, which wraps the driver API.

pycuda keeps a stack of contexts on each thread, and aborts the process when a thread ends whose stack is not empty
(pycuda 2026.1, src/cpp/cuda.hpp, `~context_stack`). `pycuda.autoinit` and `make_context` are not used: they make a context
of their own, in which TensorRT, PyTorch and ONNX Runtime do not work. What is used instead is the device's primary context,
retained once in a process and kept until its end: pycuda can only release it on the thread that retained it.
"""

from __future__ import annotations

import atexit
import ctypes
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.common import first_line
from edgeneuro.runtime.backends.cuda.api import Direction, GpuDevice, HostBuffer
from edgeneuro.runtime.backends.cuda.held import Held

_NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING, for which pycuda has no name."""

_NO_GRAPHS = "has no CUDA graphs; run without them, or install cuda-python (pip install 'edgeneuro[cuda]')"

_REMEDIES = {
    "out of memory": "close what else uses the GPU, or build the engine with a smaller batch or workspace",
    "invalid device context": "call bind() first on every thread that uses CUDA",
}
"""By what CUDA calls the error: pycuda passes on its words, not its name."""


class PyCuda:
    """`Cuda` over pycuda. After `free_host` the buffer's array must not be touched: its memory is gone.

    Events are numbered: pycuda does not tell their handles. Streams of other libraries cannot be enqueued to.
    """

    name = "pycuda"
    captures = False

    def __init__(self, device: int = 0) -> None:
        """device: index of the GPU. Raises BackendError: no driver, no such GPU; ImportError: no pycuda."""
        self._driver, self.version = load()
        available = device_count()
        if not 0 <= device < available:
            raise BackendError(f"{self._label}: got GPU {device}, expected one of the {available} here, counted from 0")
        self._device = device
        self._context = self._call(_primary_context, self._driver, device)
        self._held = Held(self._label)
        self._numbers = count(1)
        self._closed = False
        self.bind()

    @property
    def _label(self) -> str:
        return f"pycuda {self.version}"

    def bind(self) -> None:
        """As `Cuda` says; the thread lets go of the context when it ends. Raises BackendError after `close`."""
        if self._closed:
            raise BackendError(f"{self._label}: is closed; open it again")
        current = getattr(_thread, "current", None)
        if current is None or current.context is not self._context:
            leave_thread()
            _thread.current = self._call(_Current, self._context)

    def device(self) -> GpuDevice:
        self.bind()
        driver = self._driver
        device, attribute = driver.Device(self._device), driver.device_attribute
        free, total = self._call(driver.mem_get_info)
        serves = driver.get_driver_version()
        return GpuDevice(
            index=self._device,
            name=device.name(),
            compute_capability=".".join(map(str, device.compute_capability())),
            multiprocessors=device.get_attribute(attribute.MULTIPROCESSOR_COUNT),
            total_bytes=total,
            free_bytes=free,
            integrated=bool(device.get_attribute(attribute.INTEGRATED)),
            driver=f"{serves // 1000}.{serves % 1000 // 10}",
            runtime=".".join(map(str, driver.get_version()[:2])),
        )

    def allocate(self, nbytes: int) -> int:
        self._check_size(nbytes)
        allocation = self._call(self._driver.mem_alloc, nbytes)
        return self._held.add("device memory", int(allocation), allocation)

    def free(self, address: int) -> None:
        self.bind()  # elsewhere pycuda would leave the memory allocated, and only warn
        self._call(self._held.take("device memory", address).free)

    def allocate_host(self, nbytes: int, *, mapped: bool) -> HostBuffer:
        self._check_size(nbytes)
        flags = self._driver.host_alloc_flags.DEVICEMAP if mapped else 0
        array = self._call(self._driver.pagelocked_empty, nbytes, np.uint8, mem_flags=flags)
        self._held.add("host memory", array.ctypes.data, array.base)
        seen = int(self._call(array.base.get_device_pointer)) if mapped else None
        return HostBuffer(address=array.ctypes.data, array=array, device_address=seen)

    def free_host(self, buffer: HostBuffer) -> None:
        self._free_host(buffer.address)

    def create_stream(self) -> int:
        stream = self._call(self._driver.Stream, _NON_BLOCKING)
        return self._held.add("stream", int(stream.handle), stream)

    def destroy_stream(self, stream: int) -> None:
        self.bind()
        self._held.take("stream", stream)  # pycuda destroys it with the object

    def synchronize(self, stream: int) -> None:
        """As `Cuda` says; of another library's stream, by waiting for everything in the context."""
        ours = self._held.find("stream", stream)
        self._call(self._driver.Context.synchronize if ours is None else ours.synchronize)

    def copy(self, destination: int, source: int, nbytes: int, direction: Direction, stream: int) -> None:
        driver, on = self._driver, self._held.get("stream", stream)
        if direction == "to_device":
            self._call(driver.memcpy_htod_async, destination, _memory(source, nbytes), on)
        elif direction == "to_host":
            self._call(driver.memcpy_dtoh_async, _memory(destination, nbytes), source, on)
        else:
            self._call(driver.memcpy_dtod_async, destination, source, nbytes, on)

    def create_event(self) -> int:
        event = self._call(self._driver.Event)
        return self._held.add("event", next(self._numbers), event)

    def destroy_event(self, event: int) -> None:
        self.bind()
        self._held.take("event", event)  # pycuda destroys it with the object

    def record(self, event: int, stream: int) -> None:
        self._call(self._held.get("event", event).record, self._held.get("stream", stream))

    def elapsed_ms(self, start: int, end: int) -> float:
        first, last = self._held.get("event", start), self._held.get("event", end)
        self._call(last.synchronize)
        return float(self._call(last.time_since, first))

    def capture(self, stream: int, work: Callable[[], None]) -> int:
        raise BackendError(f"{self._label}: {_NO_GRAPHS}")

    def launch(self, graph: int, stream: int) -> None:
        raise BackendError(f"{self._label}: {_NO_GRAPHS}")

    def destroy_graph(self, graph: int) -> None:
        raise BackendError(f"{self._label}: {_NO_GRAPHS}")

    def close(self) -> None:
        """Give back what is still held, in the order of `held.KINDS`; a second call does nothing.

        The primary context stays current on the threads that bound it until they end: other engines may use it there.
        """
        if self._closed:
            return
        self.bind()
        release = {
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
        self.bind()
        self._call(self._held.take("host memory", address).free)

    def _check_size(self, nbytes: int) -> None:
        if nbytes < 1:
            raise BackendError(f"{self._label}: got {nbytes} bytes to allocate, expected at least 1")

    def _call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except self._driver.Error as error:
            said = first_line(error)
            remedy = next(
                (text for words, text in _REMEDIES.items() if words in said), "run `edgeneuro doctor` on this machine"
            )
            raise BackendError(f"{self._label}: {said}; {remedy}") from error


class _Current:
    """The context, current on the thread that made this, until `leave` there or the end of the thread."""

    def __init__(self, context: Any) -> None:
        self._pushed = False
        self.context = context
        context.push()
        self._pushed = True

    def leave(self) -> None:
        if self._pushed:
            self._pushed = False
            self.context.pop()

    __del__ = leave  # Python clears a thread's values on that thread, before the C++ that would abort the process


_thread = threading.local()


def leave_thread() -> None:
    """Let go of the primary context on this thread, where `PyCuda.bind` made it current."""
    current = getattr(_thread, "current", None)
    if current is not None:
        _thread.current = None
        current.leave()


_contexts: dict[tuple[Any, int], Any] = {}
"""Primary contexts by pycuda's driver module and the index of the GPU."""
_retaining = threading.Lock()


def _primary_context(driver: Any, device: int) -> Any:
    with _retaining:
        if (driver, device) not in _contexts:
            _contexts[driver, device] = driver.Device(device).retain_primary_context()
        return _contexts[driver, device]


@atexit.register
def _let_go() -> None:
    """At the end of the process, on its main thread, which Python clears too late for pycuda. A context is detached by
    name: pycuda's destructor would not release a primary context but detach it, which CUDA refuses."""
    leave_thread()
    for context in _contexts.values():
        context.detach()
    _contexts.clear()


def device_count() -> int:
    """Number of GPUs the driver offers; makes no context. Raises BackendError: no driver or GPU; ImportError: no pycuda."""
    driver, version = load()
    try:
        driver.init()
        found = int(driver.Device.count())
    except driver.Error as error:
        raise BackendError(
            f"pycuda {version}: finds no GPU ({first_line(error)}); install the NVIDIA driver, "
            "or check that this process may see a GPU (CUDA_VISIBLE_DEVICES, container)"
        ) from error
    if found == 0:
        raise BackendError(
            f"pycuda {version}: finds no GPU; check that this process may see one (CUDA_VISIBLE_DEVICES)"
        )
    return found


def load() -> tuple[Any, str]:
    """pycuda's driver module and version. Raises ImportError: not installed; BackendError: it cannot load libcuda."""
    import pycuda

    try:
        from pycuda import driver
    except ImportError as error:
        raise BackendError(
            f"pycuda {pycuda.VERSION_TEXT}: cannot be loaded ({first_line(error)}); install the NVIDIA driver, "
            "or build pycuda again for the driver and the Python of this machine (docs/cuda.md)"
        ) from error
    return driver, str(pycuda.VERSION_TEXT)


def _memory(address: int, nbytes: int) -> Any:
    """The host memory at `address` as the buffer that pycuda asks for; it copies nothing."""
    return (ctypes.c_uint8 * nbytes).from_address(address)
