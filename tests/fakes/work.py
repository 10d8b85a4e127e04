"""Copies, captures and graphs on the fake GPU."""

from __future__ import annotations

import threading
from typing import Literal

from tests.fakes.memory import CudaError, bytes_at
from tests.fakes.store import Capture, Store, Stream, Work

Direction = Literal["to_device", "to_host", "on_device", "on_host"]


def copy(store: Store, destination: int, source: int, nbytes: int, direction: Direction, handle: int | None) -> None:
    """handle: of a stream, None for a copy that waits. Page-locked memory is read and written when the stream gets there.
    Memory that is not is read at once, and written before the call returns, as CUDA does it.

    Raises CudaError: bytes outside every live allocation, a host address where a device address belongs.
    """
    _check(store, destination, nbytes, device=direction in ("to_device", "on_device"), verb="written")
    _check(store, source, nbytes, device=direction in ("to_host", "on_device"), verb="read")
    store.counts[direction] += 1

    def move() -> None:
        for address, device in ((destination, direction != "to_host"), (source, direction != "to_device")):
            if device and direction != "on_host" and store.block(address, nbytes) is None:
                store.problem(f"{nbytes} bytes at {address:#x} used by a copy after they were freed")
                raise CudaError("cudaErrorIllegalAddress")
        bytes_at(destination, nbytes)[:] = bytes_at(source, nbytes)

    if handle is None:
        store.run(store.stream(0))
        move()
    elif direction == "to_device" and store.block(source, nbytes) is None:
        staged = bytes_at(source, nbytes).copy()
        store.enqueue(handle, lambda: bytes_at(destination, nbytes).__setitem__(slice(None), staged))
    else:
        store.enqueue(handle, move)
        stream = store.stream(handle)
        if direction == "to_host" and store.block(destination, nbytes) is None and stream.capture is None:
            store.run(stream)


def _check(store: Store, address: int, nbytes: int, *, device: bool, verb: str) -> None:
    if device and not store.on_device(address, nbytes):
        store.problem(f"{nbytes} bytes at {address:#x} {verb} on the device, outside every live allocation")
        raise CudaError("cudaErrorInvalidValue")
    touching = [b for b in store.blocks if b.address <= address < b.address + len(b.array)]
    if not device and touching and not any(b.live and b.holds(address, nbytes) for b in touching):
        store.problem(f"{nbytes} bytes at {address:#x} {verb} on the host, beyond or after their page-locked memory")
        raise CudaError("cudaErrorInvalidValue")


def begin_capture(store: Store, handle: int, *, relaxed: bool) -> None:
    """Raises CudaError on the default stream, or where one is under way."""
    stream = store.stream(handle)
    if handle == 0:
        raise CudaError("cudaErrorStreamCaptureUnsupported")
    if stream.capture is not None:
        raise CudaError("cudaErrorIllegalState")
    store.counts["capture"] += 1
    stream.capture = Capture(threading.get_ident(), relaxed)


def end_capture(store: Store, handle: int) -> int:
    """A graph. Raises CudaError: no capture, begun by another thread, or made invalid; it is over all the same."""
    stream: Stream = store.stream(handle)
    capture = stream.capture
    if capture is None:
        raise CudaError("cudaErrorIllegalState")
    if not capture.relaxed and capture.thread != threading.get_ident():
        raise CudaError("cudaErrorStreamCaptureWrongThread")
    stream.capture = None
    if not capture.valid:
        raise CudaError("cudaErrorStreamCaptureInvalidated")
    graph = store.new_handle()
    store.graphs[graph] = capture.work
    return graph


def instantiate(store: Store, graph: int) -> int:
    if graph not in store.graphs:
        raise CudaError("cudaErrorInvalidValue")
    executable = store.new_handle()
    store.executables[executable] = list(store.graphs[graph])
    return executable


def launch(store: Store, executable: int, handle: int) -> None:
    work: list[Work] | None = store.executables.get(executable)
    if work is None:
        store.problem(f"graph {executable:#x} launched, but it does not exist or was destroyed")
        raise CudaError("cudaErrorInvalidValue")
    store.counts["launch"] += 1
    for step in work:
        store.enqueue(handle, step)
