"""Arrays that other libraries keep on the GPU, read in place.

Two protocols carry them: DLPack (Python Array API standard, `__dlpack__`; the C structures are in dlpack.py) and
the CUDA Array Interface, versions 2 and 3 (Numba documentation, "CUDA Array Interface (Version 3)"). DLPack is asked
first: it takes the reader's stream, so the writer can put its work before the reader's without anyone waiting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeneuro.errors import BackendError, ShapeError
from edgeneuro.runtime.backends.cuda.dlpack import CPU, CUDA, CUDA_MANAGED, READABLE, borrow
from edgeneuro.spec import Array

LEGACY_STREAM = 1
"""How both protocols write the default stream; 2 is the default stream of a thread, 0 is forbidden."""


@dataclass(frozen=True, eq=False)
class DeviceArray:
    """C-contiguous elements in memory the GPU can read. Made by hand it stands for a raw device pointer.

    address: of the first element. owner: kept alive for as long as this is; None where the caller sees to that. Keep it
    until the work that reads it is done: the memory may be lent again once the owner is gone.
    Raises ShapeError: negative sizes, a null address, an element type of another byte order or of Python objects.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: object

    def __post_init__(self) -> None:
        if any(size < 0 for size in self.shape):
            raise ShapeError(f"device array: got shape {self.shape}, expected sizes of 0 or more")
        if self.dtype.hasobject or not self.dtype.isnative:
            raise ShapeError(
                f"device array: got elements of {self.dtype.str}, expected numbers in this machine's byte order; convert them first"
            )
        if self.nbytes and self.address <= 0:
            raise ShapeError(
                f"device array of shape {self.shape}: got address {self.address}, expected that of device memory; "
                "pass the pointer of an allocation that is still alive"
            )

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def device_array(
    value: object, *, stream: int, synchronize: Callable[[int], None], device: int = 0
) -> DeviceArray | Array:
    """`value` where it lies: a DeviceArray, or numpy's view of it where that is in host memory.

    stream: the one that will read it, `Cuda.create_stream`'s; what the writer still has under way goes before what is
    enqueued there from now on. synchronize: `Cuda.synchronize`, called where the writer can only name its own stream.
    device: index of the GPU that reads.
    Raises ShapeError: strided, or elements numpy does not know; BackendError: neither protocol, or on another device.
    """
    if isinstance(value, np.ndarray | DeviceArray):
        return value
    if hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__"):
        return _from_dlpack(value, stream, device)
    interface = getattr(value, "__cuda_array_interface__", None)
    if interface is not None:
        return _from_interface(value, interface, synchronize)
    raise BackendError(
        f"array: got {_kind(value)}, expected a numpy array, an object with __dlpack__ or __cuda_array_interface__, "
        "or DeviceArray(address, shape, dtype, owner) for a raw device pointer"
    )


def _from_dlpack(value: Any, stream: int, device: int) -> DeviceArray | Array:
    kind, index = value.__dlpack_device__()
    kind = int(kind)
    if kind == CPU:
        return _on_host(value)
    if kind not in READABLE:
        raise BackendError(
            f"{_kind(value)}: lies on a device of DLPack type {kind}, expected one of {sorted(READABLE)} (CUDA) or {CPU} (host); "
            "copy it to the processor first"
        )
    if kind == CUDA and index != device:
        raise BackendError(
            f"{_kind(value)}: lies on GPU {index}, expected GPU {device}, where the engine runs; copy it there first"
        )
    try:
        tensor = borrow(value, stream if kind in (CUDA, CUDA_MANAGED) else None)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise _not_lent(value, error) from error
    _check_contiguous(_kind(value), tensor.shape, tensor.strides, 1)
    return DeviceArray(tensor.address, tensor.shape, tensor.dtype, tensor)


def _on_host(value: Any) -> Array:
    try:
        array: Array = np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise _not_lent(value, error) from error
    return array


def _from_interface(value: object, interface: Mapping[str, Any], synchronize: Callable[[int], None]) -> DeviceArray:
    version = interface["version"]
    if version < 2:
        raise BackendError(
            f"{_kind(value)}: offers version {version} of __cuda_array_interface__, expected 2 or 3; upgrade its library"
        )
    if interface.get("mask") is not None:
        raise BackendError(f"{_kind(value)}: has a mask, which no engine reads; fill in the masked elements first")
    try:
        dtype = np.dtype(interface["typestr"])
    except TypeError as error:
        raise ShapeError(
            f"{_kind(value)}: numpy knows no elements of {interface['typestr']!r}; convert them first"
        ) from error
    shape = tuple(int(size) for size in interface["shape"])
    _check_contiguous(_kind(value), shape, interface.get("strides"), dtype.itemsize)
    # Version 2 had no "stream": its writers worked on the default one. From 3 on, None says that nothing is under way.
    pending = interface.get("stream") if version >= 3 else LEGACY_STREAM
    if pending == 0:
        raise BackendError(
            f"{_kind(value)}: names stream 0, which version 3 of __cuda_array_interface__ forbids; name 1 or 2"
        )
    if pending is not None:
        synchronize(int(pending))
    return DeviceArray(int(interface["data"][0]), shape, dtype, value)


def _check_contiguous(kind: str, shape: tuple[int, ...], strides: tuple[int, ...] | None, unit: int) -> None:
    """Raise ShapeError unless the elements lie one after the other, last axis fastest. unit: what one element counts."""
    if strides is None or math.prod(shape) == 0:
        return
    expected = unit
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size > 1 and stride != expected:
            raise ShapeError(
                f"{kind} of shape {shape}: its elements have gaps or another order (strides {tuple(strides)}), "
                "expected them one after the other; pass a contiguous copy"
            )
        expected *= size


def _not_lent(value: object, error: Exception) -> BackendError:
    return BackendError(
        f"{_kind(value)}: does not lend its memory ({error}); pass a detached copy of a type numpy knows"
    )


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
