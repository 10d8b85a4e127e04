"""The module pycuda.driver, as its list says."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes import work
from tests.fakes.guard import PLAIN_KINDS, Guard, listing
from tests.fakes.memory import CudaError
from tests.fakes.pycuda_objects import (
    ERRORS,
    Allocation,
    Context,
    Device,
    Error,
    Event,
    HostAllocation,
    Stream,
    abandoned,
    forget,
    guarded,
    used,
)
from tests.fakes.store import gpu, has_driver, has_gpu

__all__ = ["abandoned", "fill", "forget"]
LIST = "pycuda-2026.1"


def init(flags: int = 0) -> None:
    if not has_gpu():
        raise CudaError("cudaErrorNoDevice")


def get_version() -> tuple[int, int, int]:
    version = int(gpu().settings["runtime"])
    return version // 1000, version % 1000 // 10, 0


def get_driver_version() -> int:
    return int(gpu().settings["driver"])


def mem_get_info() -> tuple[int, int]:
    return used().free_bytes, int(gpu().settings["total_bytes"])


def mem_alloc(arg1: int) -> Any:
    return CLASSES["DeviceAllocation"](used().allocate(arg1, "device"))


def pagelocked_empty(shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> NDArray[Any]:
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    nbytes = int(np.prod(sizes)) * np.dtype(dtype).itemsize
    base = CLASSES["PagelockedHostAllocation"](used().allocate(nbytes, "host", mapped=bool(mem_flags & 2)))
    flat = np.asarray(base)
    return flat if (sizes, np.dtype(dtype)) == (flat.shape, flat.dtype) else flat.view(dtype).reshape(sizes, order="C")


def _host(buffer: Any, *, writable: bool) -> tuple[int, int]:
    """Address and size of a Python buffer. Raises BufferError where it cannot be written but must."""
    view = np.frombuffer(buffer, np.uint8)
    if writable and not view.flags.writeable:
        raise BufferError("the fake pycuda cannot write to a read-only buffer")
    return int(view.ctypes.data), view.nbytes


def memcpy_htod_async(dest: Any, src: Any, stream: Stream | None = None) -> None:
    address, nbytes = _host(src, writable=False)
    work.copy(used(), int(dest), address, nbytes, "to_device", stream.handle if stream else 0)


def memcpy_dtoh_async(dest: Any, src: Any, stream: Stream | None = None) -> None:
    address, nbytes = _host(dest, writable=True)
    work.copy(used(), address, int(src), nbytes, "to_host", stream.handle if stream else 0)


def memcpy_dtod_async(dest: Any, src: Any, size: int, stream: Stream | None = None) -> None:
    work.copy(used(), int(dest), int(src), size, "on_device", stream.handle if stream else 0)


def memcpy_htod(dest: Any, src: Any) -> None:
    address, nbytes = _host(src, writable=False)
    work.copy(used(), int(dest), address, nbytes, "to_device", None)


def memcpy_dtoh(dest: Any, src: Any) -> None:
    address, nbytes = _host(dest, writable=True)
    work.copy(used(), address, int(src), nbytes, "to_host", None)


DONE: tuple[Callable[..., Any], ...] = (
    init,
    get_version,
    get_driver_version,
    mem_get_info,
    mem_alloc,
    pagelocked_empty,
)
DONE += (memcpy_htod_async, memcpy_dtoh_async, memcpy_dtod_async, memcpy_htod, memcpy_dtoh)
FUNCTIONS: dict[str, Callable[..., Any]] = {function.__name__: function for function in DONE}
IMPLEMENTED: dict[str, type] = {"Context": Context, "Device": Device, "Stream": Stream, "Event": Event}
IMPLEMENTED |= {"DeviceAllocation": Allocation, "HostAllocation": HostAllocation}
IMPLEMENTED |= {"PagelockedHostAllocation": HostAllocation}
CLASSES: dict[str, Any] = {}


def fill(namespace: dict[str, Any]) -> None:
    """Put into `namespace` what the list has. Raises ImportError where no driver is installed, as the module does."""
    if not has_driver():
        raise ImportError("libcuda.so.1: cannot open shared object file: No such file or directory")
    guard = Guard("pycuda.driver", listing(LIST), {**PLAIN_KINDS})
    listed = guard.listed
    for name, members in listed["enums"].items():
        namespace[name] = IntEnum(name, members, module="pycuda.driver")
    for name, entry in listed["classes"].items():
        CLASSES[name] = _class(guard, name, entry)
    namespace.update(CLASSES, Error=Error, **ERRORS)
    for name, text in listed["functions"].items():
        namespace[name] = _callable(guard, name, text, FUNCTIONS.get(name))
    namespace.update(listed["values"])


def _class(guard: Guard, name: str, entry: dict[str, Any]) -> type:
    """The implementation with what the list lacks hidden and its calls checked."""
    members: dict[str, Any] = {"__module__": "pycuda._driver"}
    done = IMPLEMENTED.get(name)
    for member in entry.get("members", ()):
        key, _, rest = member.partition("(")
        if ": " in member and not rest:
            constant, value = member.split(": ")
            members[constant] = int(value)
        elif rest and key not in ("__init__", "__int__"):
            static = done is not None and isinstance(vars(done).get(key), staticmethod)
            function = _callable(guard, key, f"({rest}", getattr(done, key, None), bound=not static)
            members[key] = staticmethod(function) if static else function
        elif key == "__init__" and done is not None and "..." not in rest:
            members[key] = _callable(guard, name, f"({rest}", done.__init__, bound=True)  # type: ignore[misc]
    return type(name, (done or object,), members)


def _callable(
    guard: Guard, name: str, text: str, done: Callable[..., Any] | None, *, bound: bool = False
) -> Callable[..., Any]:
    run = None if done is None else guarded(done, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if run is None:
            raise NotImplementedError(guard.undone(name))
        own, given = (args[:1], args[1:]) if bound else ((), args)
        named = guard.bind(name, text, given, kwargs)
        return run(*own, **named) if named is not None else run(*own, *given, **kwargs)

    return call
