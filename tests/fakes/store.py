"""The fake GPU: its memory, its streams, and what was done to it.

"Device" memory is host memory at a real address. Work on a stream waits in a queue until somebody waits for the stream
or for an event on it, so a missing wait, or a buffer reused too early, shows as wrong numbers. `gpu()` is the one store
of the process; a test reads its counters and lists, and `reset()` starts afresh.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.fakes.memory import Block, CudaError, Kind

Work = Callable[[], None]
DEFAULT_GPU = {
    "name": "Fake Orin",
    "compute_capability": "8.7",
    "multiprocessors": 16,
    "total_bytes": 8 << 30,
    "integrated": True,
    "captures": True,
    "driver": 12060,
    "runtime": 12060,
}
LEGACY = 0


@dataclass(eq=False)
class Capture:
    """A capture under way. thread: that began it; relaxed: calls that CUDA calls unsafe are allowed meanwhile."""

    thread: int
    relaxed: bool
    work: list[Work] = field(default_factory=list)
    valid: bool = True


@dataclass(eq=False)
class Stream:
    handle: int
    waits_for_default: bool
    queue: deque[Work] = field(default_factory=deque)
    capture: Capture | None = None


@dataclass(eq=False)
class Event:
    handle: int
    stream: Stream | None = None
    done: bool = False
    seconds: float = 0.0


@dataclass(eq=False)
class Store:
    """counts: of calls by name: "malloc", "free", "host_alloc", "host_free", "launch", "capture", "execute", "to_device",
    "to_host", "on_device", "synchronize", ... releases: kinds in the order of their release ("context", "engine",
    "device", "host", "stream", ...). problems: what a real GPU would not have forgiven, in words. bound: threads that
    made the device current. unbound: threads that used it without.
    scratch: bytes that execution contexts take. context_threads: execution context, counted from 1 -> threads that used
    it."""

    settings: dict[str, Any] = field(default_factory=lambda: {**DEFAULT_GPU})
    counts: Counter[str] = field(default_factory=Counter)
    releases: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    bound: set[int] = field(default_factory=set)
    unbound: set[int] = field(default_factory=set)
    blocks: list[Block] = field(default_factory=list)
    streams: dict[int, Stream] = field(default_factory=dict)
    events: dict[int, Event] = field(default_factory=dict)
    graphs: dict[int, list[Work]] = field(default_factory=dict)
    executables: dict[int, list[Work]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    scratch: int = 0
    context_threads: dict[int, set[int]] = field(default_factory=dict)
    failed: str = ""
    _next: int = 0x7F0000000000

    # --- memory

    def allocate(self, nbytes: int, kind: Kind, *, mapped: bool = False) -> Block:
        """Raises CudaError where the device has not that much left, or while a capture forbids it."""
        self._refuse_in_capture()
        if nbytes <= 0:
            raise CudaError("cudaErrorInvalidValue")
        if nbytes > self.free_bytes:
            raise CudaError("cudaErrorMemoryAllocation")
        block = Block(kind, np.full(nbytes, 0xA5, np.uint8), mapped)
        with self.lock:
            self.blocks.append(block)
            self.counts["malloc" if kind == "device" else "host_alloc"] += 1
        return block

    def free(self, address: int, kind: Kind) -> None:
        """As cudaFree does, waits for everything on the device first. Raises CudaError on an address that is not the
        start of a live allocation."""
        self._refuse_in_capture()
        for stream in tuple(self.streams.values()):
            self.run(stream)
        with self.lock:
            found = [b for b in self.blocks if b.address == address and b.kind == kind and b.live]
            if not found:
                dead = any(b.address == address and not b.live for b in self.blocks)
                self.problem(f"{kind} memory {address:#x} {'freed twice' if dead else 'freed but never allocated'}")
                raise CudaError("cudaErrorInvalidValue")
            found[0].live = False
            found[0].array[:] = 0xDD
            self.counts["free" if kind == "device" else "host_free"] += 1
            self.releases.append(kind)

    def block(self, address: int, nbytes: int) -> Block | None:
        """The live allocation in which `nbytes` at `address` lie."""
        return next((b for b in self.blocks if b.live and b.holds(address, nbytes)), None)

    def on_device(self, address: int, nbytes: int) -> bool:
        """Whether the GPU may touch these bytes."""
        block = self.block(address, nbytes)
        return block is not None and (block.kind == "device" or block.mapped)

    @property
    def live(self) -> dict[str, int]:
        """Allocations, streams, events and graphs that were not given back."""
        counts: Counter[str] = Counter(b.kind for b in self.blocks if b.live)
        things: dict[str, dict[int, Any]] = {
            "stream": self.streams,
            "event": self.events,
            "graph": self.graphs,
            "executable": self.executables,
        }
        counts.update({kind: len(held) for kind, held in things.items() if held})
        return {kind: count for kind, count in counts.items() if count}

    @property
    def free_bytes(self) -> int:
        return int(self.settings["total_bytes"]) - sum(len(b.array) for b in self.blocks if b.live) - self.scratch

    # --- streams and events

    def new_handle(self) -> int:
        with self.lock:
            self._next += 0x100
            return self._next

    def create_stream(self, *, waits_for_default: bool) -> Stream:
        stream = Stream(self.new_handle(), waits_for_default)
        self.streams[stream.handle] = stream
        return stream

    def stream(self, handle: int) -> Stream:
        """Handle 0 is the default stream. Raises CudaError: no such stream, or the default one during a capture."""
        if handle == LEGACY:
            for other in self.streams.values():
                if other.capture is not None and other.waits_for_default:
                    other.capture.valid = False
                    raise CudaError("cudaErrorStreamCaptureImplicit")
            return self._default
        if handle not in self.streams:
            self.problem(f"stream {handle:#x} used, but it does not exist or was destroyed")
            raise CudaError("cudaErrorInvalidResourceHandle")
        return self.streams[handle]

    def destroy_stream(self, handle: int) -> None:
        stream = self.stream(handle)
        self.run(stream)
        del self.streams[handle]
        self.releases.append("stream")

    def enqueue(self, handle: int, work: Work) -> None:
        stream = self.stream(handle)
        if stream.capture is not None:
            stream.capture.work.append(work)
        else:
            stream.queue.append(work)

    def synchronize(self, handle: int) -> None:
        """Raises CudaError: a capture is under way there, or work on the device failed."""
        stream = self.stream(handle)
        self.counts["synchronize"] += 1
        if stream.capture is not None:
            stream.capture.valid = False
            raise CudaError("cudaErrorStreamCaptureUnsupported")
        self.run(stream)
        self.check()

    def run(self, stream: Stream, until: Event | None = None) -> None:
        """Do what waits on `stream`, up to `until` where that is given."""
        with self.lock:
            while stream.queue and not (until is not None and until.done):
                try:
                    stream.queue.popleft()()
                except CudaError as error:
                    self.failed = self.failed or error.name

    def check(self) -> None:
        """Raises CudaError of work that failed; CUDA repeats such an error until the context is gone."""
        if self.failed:
            raise CudaError(self.failed)

    def create_event(self) -> Event:
        event = Event(self.new_handle())
        self.events[event.handle] = event
        return event

    def event(self, handle: int) -> Event:
        if handle not in self.events:
            self.problem(f"event {handle:#x} used, but it does not exist or was destroyed")
            raise CudaError("cudaErrorInvalidResourceHandle")
        return self.events[handle]

    def record(self, event: Event, handle: int) -> None:
        event.stream, event.done = self.stream(handle), False

        def mark() -> None:
            event.done, event.seconds = True, time.perf_counter()

        self.enqueue(handle, mark)

    def wait_event(self, event: Event) -> None:
        if event.stream is not None and not event.done:
            self.run(event.stream, until=event)
        self.check()

    # --- words

    def problem(self, text: str) -> None:
        self.problems.append(text)

    def touch(self) -> None:
        """Note which thread uses the device."""
        thread = threading.get_ident()
        if thread not in self.bound:
            self.unbound.add(thread)

    def captures_here(self) -> Iterator[Capture]:
        """Captures that watch this thread."""
        for stream in self.streams.values():
            if stream.capture is not None and stream.capture.thread == threading.get_ident():
                yield stream.capture

    def _refuse_in_capture(self) -> None:
        for capture in self.captures_here():
            if not capture.relaxed:
                capture.valid = False
                raise CudaError("cudaErrorStreamCaptureUnsupported")

    def __post_init__(self) -> None:
        self._default = Stream(LEGACY, waits_for_default=True)


_store: Store | None = None


def gpu() -> Store:
    """The process's store; made on first use as EDGENEURO_FAKE_GPU says: JSON over DEFAULT_GPU, or "none"."""
    global _store
    if _store is None:
        said = os.environ.get("EDGENEURO_FAKE_GPU", "{}")
        _store = Store({**DEFAULT_GPU, **({} if said == "none" else json.loads(said))})
    return _store


def reset() -> Store:
    """A new store; handles and addresses of the old one mean nothing to it."""
    global _store
    _store = None
    return gpu()


def has_gpu() -> bool:
    return os.environ.get("EDGENEURO_FAKE_GPU", "") != "none"


def has_driver() -> bool:
    """A machine can have NVIDIA's driver and no GPU."""
    return has_gpu() or os.environ.get("EDGENEURO_FAKE_GPU_ERROR") != "cudaErrorInsufficientDriver"
