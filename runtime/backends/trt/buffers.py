"""Memory of one input or output: page-locked on the host, and on the device unless both share it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeneuro.runtime.backends.cuda.api import Cuda, HostBuffer
from edgeneuro.spec import Array


class Buffer:
    """Allocated once, and again only for more bytes than ever before.

    zero_copy: the device reads and writes the host's memory; only where both are one, as on a Jetson. device: the
    address that the engine is given.
    """

    def __init__(self, cuda: Cuda, *, zero_copy: bool) -> None:
        self._cuda, self._zero_copy = cuda, zero_copy
        self._host: HostBuffer | None = None
        self._own_device: int | None = None
        self._capacity = 0
        self.device = 0

    def holds(self, nbytes: int) -> bool:
        """Whether there is room."""
        return self._host is not None and nbytes <= self._capacity

    def reallocate(self, nbytes: int) -> None:
        """New memory in place of the old, whose content is lost."""
        self.free()
        self._host = self._cuda.allocate_host(max(nbytes, 1), mapped=self._zero_copy)
        if self._zero_copy and self._host.device_address is not None:
            self.device = self._host.device_address
        else:
            self.device = self._own_device = self._cuda.allocate(max(nbytes, 1))
        self._capacity = nbytes

    def view(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """The host's memory as an array."""
        assert self._host is not None
        return self._host.array[: math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)

    def upload(self, nbytes: int, stream: int) -> None:
        """From host to device; nothing to do where both are one."""
        if self._own_device is not None and self._host is not None:
            self._cuda.copy(self._own_device, self._host.address, nbytes, "to_device", stream)

    def download(self, nbytes: int, stream: int) -> None:
        """From device to host; nothing to do where both are one."""
        if self._own_device is not None and self._host is not None:
            self._cuda.copy(self._host.address, self._own_device, nbytes, "to_host", stream)

    def take(self, source: int, nbytes: int, stream: int) -> None:
        """Copy from elsewhere on the device."""
        if self._own_device is not None:
            self._cuda.copy(self._own_device, source, nbytes, "on_device", stream)
        elif self._host is not None:
            self._cuda.copy(self._host.address, source, nbytes, "to_host", stream)

    def free(self) -> None:
        """A second call does nothing."""
        own, host = self._own_device, self._host
        self._own_device = self._host = None
        self._capacity = self.device = 0
        if own is not None:
            self._cuda.free(own)
        if host is not None:
            self._cuda.free_host(host)
