"""What a CUDA library has to offer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Direction = Literal["to_device", "to_host", "on_device"]


@dataclass(frozen=True, kw_only=True)
class GpuDevice:
    """One GPU. compute_capability: e.g. "8.7". integrated: shares its memory with the processor, as on a Jetson.
    driver, runtime: CUDA versions, e.g. "12.6": the newest that the driver serves, and that of the library used here."""

    index: int
    name: str
    compute_capability: str
    multiprocessors: int
    total_bytes: int
    free_bytes: int
    integrated: bool
    driver: str
    runtime: str


@dataclass(frozen=True, kw_only=True)
class HostBuffer:
    """Page-locked host memory. array: (nbytes,) view of it. device_address: where the GPU sees the same memory, None
    where it was not mapped."""

    address: int
    array: NDArray[np.uint8]
    device_address: int | None


class Cuda(Protocol):
    """One library, one device. Usable from any thread after `bind` there.

    name: "cuda-python" or "pycuda". captures: whether it can capture CUDA graphs.
    """

    name: str
    captures: bool

    def bind(self) -> None:
        """Make the device's primary context current on this thread; cheap when it is already."""
        ...

    def device(self) -> GpuDevice:
        """The device, with the memory free now."""
        ...

    def allocate(self, nbytes: int) -> int:
        """Address of device memory."""
        ...

    def free(self, address: int) -> None: ...

    def allocate_host(self, nbytes: int, *, mapped: bool) -> HostBuffer:
        """Page-locked memory; mapped: into the device's address space too (zero-copy)."""
        ...

    def free_host(self, buffer: HostBuffer) -> None: ...

    def create_stream(self) -> int:
        """A stream that does not wait for the default stream."""
        ...

    def destroy_stream(self, stream: int) -> None: ...

    def synchronize(self, stream: int) -> None:
        """Wait until all work of `stream` is done."""
        ...

    def copy(self, destination: int, source: int, nbytes: int, direction: Direction, stream: int) -> None:
        """Asynchronous on `stream`."""
        ...

    def create_event(self) -> int:
        """For timing."""
        ...

    def destroy_event(self, event: int) -> None: ...

    def record(self, event: int, stream: int) -> None: ...

    def elapsed_ms(self, start: int, end: int) -> float:
        """Between two recorded events; waits for `end`."""
        ...

    def capture(self, stream: int, work: Callable[[], None]) -> int:
        """A graph of what `work` enqueues on `stream`, instantiated. Raises BackendError where it cannot be captured;
        the stream is usable again then."""
        ...

    def launch(self, graph: int, stream: int) -> None: ...

    def destroy_graph(self, graph: int) -> None: ...

    def close(self) -> None:
        """Let go of the primary context; a second call does nothing."""
        ...
