"""pycuda's objects over the fake GPU: they give back what they hold when they go, and contexts lie on a stack for each
thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from tests.fakes.memory import Block, CudaError
from tests.fakes.store import Store, gpu, has_gpu

WORDS = {
    "cudaErrorMemoryAllocation": ("MemoryError", "out of memory"),
    "cudaErrorIllegalAddress": ("LogicError", "an illegal memory access was encountered"),
    "cudaErrorLaunchFailure": ("LaunchError", "unspecified launch failure"),
    "cudaErrorInvalidValue": ("LogicError", "invalid argument"),
    "cudaErrorInvalidResourceHandle": ("LogicError", "invalid resource handle"),
    "cudaErrorNotReady": ("RuntimeError", "device not ready"),
    "cudaErrorNoDevice": ("RuntimeError", "no CUDA-capable device is detected"),
    "cudaErrorInvalidDevice": ("LogicError", "invalid device ordinal"),
    "cudaErrorInvalidContext": ("LogicError", "invalid device context"),
}


class Error(Exception):
    """Base of what pycuda raises."""


ERRORS = {name: type(name, (Error,), {}) for name in ("MemoryError", "LogicError", "LaunchError", "RuntimeError")}


def guarded(function: Callable[..., Any], call: str) -> Callable[..., Any]:
    """CudaError as pycuda words it."""

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except CudaError as error:
            kind, words = WORDS[error.name]
            raise ERRORS[kind](f"{call} failed: {words}") from None

    return run


# --- contexts

_stacks: dict[int, tuple[threading.Thread, list[Context]]] = {}
_left: list[tuple[threading.Thread, list[Context]]] = []
"""Of threads whose number another thread has now. No threading.local: it is gone when a thread's last objects go."""


def _stack() -> list[Context]:
    return _stacks[threading.get_ident()][1] if threading.get_ident() in _stacks else []


def _own_stack() -> list[Context]:
    """To push on; the thread is running, so it can be told from an earlier one of the same number."""
    number, thread = threading.get_ident(), threading.current_thread()
    if number in _stacks and _stacks[number][0] is not thread:
        _left.append(_stacks.pop(number))
    return _stacks.setdefault(number, (thread, []))[1]


def abandoned() -> list[str]:
    """Threads that ended with a context on their stack: there pycuda aborts the process."""
    ended = [(thread, stack) for thread, stack in (*_left, *_stacks.values()) if not thread.is_alive()]
    return [f"thread {thread.name} ended with a context on its stack" for thread, stack in ended if stack]


def forget() -> None:
    """Forget the threads that ended."""
    _left.clear()
    for number in [number for number, (thread, _) in _stacks.items() if not thread.is_alive()]:
        del _stacks[number]


def used() -> Store:
    """The store. Raises CudaError where no context is current on this thread."""
    if not _stack():
        raise CudaError("cudaErrorInvalidContext")
    gpu().touch()
    return gpu()


class Context:
    """The primary context; every retain gives another object for it."""

    handle = 0xC0

    def push(self) -> None:
        _own_stack().append(self)
        gpu().bound.add(threading.get_ident())

    @staticmethod
    def pop() -> None:
        if not _stack():
            raise ERRORS["LogicError"](
                "m_stack::pop failed: invalid device context - cannot pop context from empty stack"
            )
        _stack().pop()

    def detach(self) -> None:
        if self in _stack():
            _stack().remove(self)

    @staticmethod
    def synchronize() -> None:
        store = used()
        for handle in (0, *store.streams):
            store.synchronize(handle)

    @staticmethod
    def get_device() -> Device:
        return Device(0)

    @staticmethod
    def get_current() -> Context | None:
        return _stack()[-1] if _stack() else None


class Device:
    def __init__(self, arg2: int) -> None:
        if not has_gpu() or arg2 != 0:
            raise CudaError("cudaErrorInvalidDevice")

    @staticmethod
    def count() -> int:
        return 1

    def name(self) -> str:
        return str(gpu().settings["name"])

    def compute_capability(self) -> tuple[int, int]:
        major, minor = map(int, gpu().settings["compute_capability"].split("."))
        return major, minor

    def total_memory(self) -> int:
        return int(gpu().settings["total_bytes"])

    def retain_primary_context(self) -> Context:
        return Context()

    def make_context(self, flags: int = 0) -> Context:
        gpu().problem(
            "a context of its own was made, in which TensorRT and PyTorch do not work; retain the primary one"
        )
        context = Context()
        context.push()
        return context

    def get_attribute(self, arg2: IntEnum) -> int:
        major, minor = self.compute_capability()
        known = {
            "MULTIPROCESSOR_COUNT": gpu().settings["multiprocessors"],
            "INTEGRATED": gpu().settings["integrated"],
            "CAN_MAP_HOST_MEMORY": 1,
            "UNIFIED_ADDRESSING": 1,
            "COMPUTE_CAPABILITY_MAJOR": major,
            "COMPUTE_CAPABILITY_MINOR": minor,
        }
        if arg2.name not in known:
            raise NotImplementedError(f"the fake pycuda does not do device_attribute.{arg2.name}")
        return int(known[arg2.name])


# --- memory, streams, events


class Allocation:
    """Memory that is given back with `free` or with the object."""

    def __init__(self, block: Block) -> None:
        self._block: Block | None = block
        self._store = gpu()

    def free(self) -> None:
        if self._block is None:
            raise ERRORS["LogicError"]("device_allocation::free failed: invalid resource handle")
        block, self._block = self._block, None
        used().free(block.address, block.kind)

    def get_device_pointer(self) -> int:
        if self._block is None or not self._block.mapped:
            raise CudaError("cudaErrorInvalidValue")
        return self._block.address

    def __int__(self) -> int:
        if self._block is None:
            raise CudaError("cudaErrorInvalidResourceHandle")
        return self._block.address

    __index__ = __int__

    def __del__(self) -> None:
        if self._block is not None and self._block.live and self._store is gpu():
            if _stack():
                self.free()
            else:
                self._store.problem(
                    f"{self._block.kind} memory let go on a thread without a context, where pycuda leaks it"
                )


class HostAllocation(Allocation):
    @property
    def __array_interface__(self) -> dict[str, Any]:
        assert self._block is not None
        return {
            "shape": (len(self._block.array),),
            "typestr": "|u1",
            "data": (self._block.address, False),
            "version": 3,
        }


class Stream:
    def __init__(self, flags: int = 0) -> None:
        self._store = used()
        self.handle = self._store.create_stream(waits_for_default=not flags & 1).handle

    def synchronize(self) -> None:
        used().synchronize(self.handle)

    def is_done(self) -> bool:
        return not used().stream(self.handle).queue

    def wait_for_event(self, arg2: Event) -> None:
        store, event = used(), gpu().event(arg2._handle)
        store.enqueue(self.handle, lambda: store.wait_event(event))

    def __del__(self) -> None:
        if getattr(self, "handle", 0):
            self._store.destroy_stream(self.handle)


class Event:
    def __init__(self, flags: int = 0) -> None:
        self._store = used()
        self._handle = self._store.create_event().handle

    def record(self, stream: Stream | None = None) -> Event:
        used().record(gpu().event(self._handle), stream.handle if stream else 0)
        return self

    def synchronize(self) -> Event:
        used().wait_event(gpu().event(self._handle))
        return self

    def query(self) -> bool:
        return gpu().event(self._handle).done

    def time_since(self, arg2: Event) -> float:
        first, last = gpu().event(arg2._handle), gpu().event(self._handle)
        if first.stream is None or last.stream is None:
            raise CudaError("cudaErrorInvalidResourceHandle")
        if not (first.done and last.done):
            raise CudaError("cudaErrorNotReady")
        return 1000.0 * (last.seconds - first.seconds)

    def time_till(self, arg2: Event) -> float:
        return arg2.time_since(self)

    def __del__(self) -> None:
        if getattr(self, "_handle", 0):
            del self._store.events[self._handle]
            self._store.releases.append("event")
