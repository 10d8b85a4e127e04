"""Objects that offer host memory as if it lay on a GPU: both protocols, without any library for GPUs."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from edgeneuro.spec import Array

CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}


class DlTensor(ctypes.Structure):
    """DLTensor of dlpack.h, written down apart from the code under test."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("dtype_code", ctypes.c_uint8),
        ("dtype_bits", ctypes.c_uint8),
        ("dtype_lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class DlManagedTensor(ctypes.Structure):
    _fields_ = (("dl_tensor", DlTensor), ("manager_ctx", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


class DlManagedTensorVersioned(ctypes.Structure):
    _fields_ = (
        ("version_major", ctypes.c_uint32),
        ("version_minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("dl_tensor", DlTensor),
    )


_KEPT: list[object] = []
"""What was lent. Other libraries keep it until their deleter is called; here it stays, since that is in it."""

_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", ctypes.pythonapi)
)
_capsule_name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))


class DlpackLender:
    """`array` as DLPack on `device`. version: None lends as before DLPack 1.0.

    given_back: the deleter's calls. streams: those that readers named. capsules: lent so far.
    """

    def __init__(
        self,
        array: Array,
        *,
        device: tuple[int, int] = (2, 0),
        version: tuple[int, int] | None = (1, 0),
        code: int | None = None,
    ) -> None:
        self._array, self._device, self._version = array, device, version
        self._code = CODES[array.dtype.kind] if code is None else code
        self.given_back = 0
        self.streams: list[int | None] = []
        self.capsules: list[object] = []
        self.plain_strides = False

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device

    def __dlpack__(self, *, stream: int | None = None, **newer: Any) -> object:
        if self._version is None and newer:
            raise TypeError(f"__dlpack__() got an unexpected keyword argument {next(iter(newer))!r}")
        self.streams.append(stream)
        deleter = _Deleter(self._count)
        tensor = self._tensor()
        address = ctypes.cast(deleter, ctypes.c_void_p).value
        managed: ctypes.Structure
        if self._version is None:
            managed, name = DlManagedTensor(tensor, None, address), b"dltensor"
        else:
            managed, name = DlManagedTensorVersioned(*self._version, None, address, 0, tensor), b"dltensor_versioned"
        _KEPT.append((deleter, managed, name))
        self.capsules.append(_new_capsule(ctypes.addressof(managed), name, None))
        return self.capsules[-1]

    def names(self) -> list[bytes]:
        """Of the capsules: "used_..." once read."""
        return [_capsule_name(capsule) for capsule in self.capsules]

    def _tensor(self) -> DlTensor:
        array = self._array
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        strides = (ctypes.c_int64 * array.ndim)(*(stride // array.itemsize for stride in array.strides))
        _KEPT.append((array, shape, strides))
        integers = ctypes.POINTER(ctypes.c_int64)
        return DlTensor(
            array.ctypes.data - 8,
            *self._device,
            array.ndim,
            self._code,
            8 * array.itemsize,
            1,
            ctypes.cast(shape, integers),
            None if self.plain_strides else ctypes.cast(strides, integers),
            8,
        )

    def _count(self, _: int | None) -> None:
        self.given_back += 1


class InterfaceLender:
    """`array` through __cuda_array_interface__. more: entries over those of version 3."""

    def __init__(self, array: Array, **more: Any) -> None:
        self._array = array
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, False),
            "strides": None if array.flags.c_contiguous else array.strides,
            "version": 3,
            **more,
        }


def behind(address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The host memory that a device array points to here."""
    nbytes = int(np.prod(shape)) * dtype.itemsize
    flat = np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))
    return flat.view(dtype).reshape(shape)
