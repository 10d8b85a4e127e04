"""Pieces of the fake GPU's memory."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["device", "host"]


class CudaError(Exception):
    """name: of CUDA's error code, e.g. "cudaErrorInvalidValue"."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(eq=False)
class Block:
    """One allocation. array: its bytes, overwritten when it is freed and kept, so that a late reader sees rubbish."""

    kind: Kind
    array: NDArray[np.uint8]
    mapped: bool = False
    live: bool = True

    @property
    def address(self) -> int:
        return int(self.array.ctypes.data)

    def holds(self, address: int, nbytes: int) -> bool:
        return self.address <= address and address + nbytes <= self.address + len(self.array)


def bytes_at(address: int, nbytes: int) -> NDArray[np.uint8]:
    """The memory itself, not a copy."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))
