"""DLPack capsules, read with ctypes.

The structures are those of DLPack's C header (dmlc/dlpack, include/dlpack/dlpack.h, ABI 1): `DLManagedTensor`, and
`DLManagedTensorVersioned` since 1.0. A capsule named "dltensor" or "dltensor_versioned" lends its tensor once: the reader
renames it with "used_" in front, and calls the deleter when done (Python Array API standard, "Data interchange").
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from edgeneuro.errors import BackendError, ShapeError

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
READABLE = frozenset({CUDA, CUDA_HOST, CUDA_MANAGED})
"""Devices whose memory a GPU reads at the address given: its own, page-locked and managed."""

_MAX_VERSION = (1, 0)

_NUMPY_KINDS = {0: "i", 1: "u", 2: "f", 5: "c", 6: "b"}
"""DLDataTypeCode -> numpy's letter. The others (bfloat16, 8 bits and fewer) have no numpy type."""


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    _fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    )


_Deleter = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)  # keeps the GIL, as a capsule's own destructor would

_USED = {b"dltensor": b"used_dltensor", b"dltensor_versioned": b"used_dltensor_versioned"}

_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
_get_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_set_name = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", ctypes.pythonapi))


class Borrowed:
    """A tensor lent by another library until this object goes.

    address: of its first element. shape; strides: in elements, None where they follow from the shape.
    """

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    dtype: np.dtype[Any]

    def __init__(self, managed: _Managed | _Versioned, pointer: int) -> None:
        self._pointer = pointer
        self._give_back = _Deleter(managed.deleter) if managed.deleter else None
        if isinstance(managed, _Versioned) and managed.major != _MAX_VERSION[0]:
            raise BackendError(
                f"DLPack: got a tensor of version {managed.major}.{managed.minor}, expected {_MAX_VERSION[0]}.x; "
                "upgrade edgeneuro, or the library that made it"
            )
        tensor = managed.tensor
        self.address = (tensor.data or 0) + tensor.byte_offset
        self.shape = tuple(tensor.shape[: tensor.ndim]) if tensor.ndim else ()
        self.strides = tuple(tensor.strides[: tensor.ndim]) if tensor.ndim and tensor.strides else None
        self.dtype = _numpy_type(tensor.code, tensor.bits, tensor.lanes)

    def __del__(self) -> None:
        if self._give_back is not None:
            self._give_back(self._pointer)


def borrow(value: Any, stream: int | None) -> Borrowed:
    """The tensor of `value.__dlpack__`. stream: the reader's, which the writer puts its own work before.

    Raises BackendError: a capsule that is no tensor, was read already or is of another major version; ShapeError:
    elements numpy does not know; whatever `__dlpack__` itself raises.
    """
    try:
        capsule = value.__dlpack__(stream=stream, max_version=_MAX_VERSION)
    except TypeError:  # a library from before DLPack 1.0
        capsule = value.__dlpack__(stream=stream)
    for name, used in _USED.items():
        if _is_valid(capsule, name):
            pointer = int(_get_pointer(capsule, name))
            structure = _Versioned if name.endswith(b"versioned") else _Managed
            managed = structure.from_address(pointer)
            _set_name(capsule, used)
            return Borrowed(managed, pointer)
    raise BackendError(
        f"DLPack: {type(value).__name__}.__dlpack__ gave {capsule!r}, expected a capsule named dltensor or "
        "dltensor_versioned that nobody has read yet"
    )


def _numpy_type(code: int, bits: int, lanes: int) -> np.dtype[Any]:
    letter = _NUMPY_KINDS.get(code)
    try:
        if letter is None or lanes != 1 or bits % 8:
            raise TypeError
        return np.dtype(f"{letter}{bits // 8}")
    except TypeError:
        raise ShapeError(
            f"DLPack: got elements of type code {code} with {bits} bits and {lanes} lanes, expected a type numpy knows; "
            "convert them to float32 or float16 first"
        ) from None
