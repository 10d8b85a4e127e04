"""Execution contexts: shapes, addresses, and the work that they put on a stream."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tests.fakes.memory import CudaError, bytes_at
from tests.fakes.store import Stream, gpu
from tests.fakes.trt.engine import NUMPY, SCRATCH_BYTES, Engine, RuntimeConfig
from tests.fakes.trt.objects import Library, Part
from tests.fakes.trt.plan import TensorInfo
from tests.fakes.trt.values import Dims

Shapes = dict[str, tuple[int, ...]]


class Life:
    """What work on a stream knows of its context. pending: unfinished enqueues by stream."""

    def __init__(self) -> None:
        self.alive = True
        self.pending: Counter[int] = Counter()


class Context(Part):
    """Used by two threads at once, or on two streams at once, it says so in the store's problems."""

    public_name = "IExecutionContext"

    def __init__(self, library: Library, engine: Engine, config: RuntimeConfig | None) -> None:
        super().__init__(library)
        self.engine, self._config = engine, config
        self.name = ""
        self.active_optimization_profile = 0
        self.profiler: Any = None
        self.error_recorder: Any = None
        self._shapes: Shapes = {t.name: t.shape for t in engine.plan.tensors if t.is_input}
        self._addresses: dict[str, int] = {}
        self._ready: Shapes | None = None
        self._life = Life()
        self._inside = threading.Lock()
        self._store = gpu()
        self._store.counts["context"] += 1
        self._store.scratch += SCRATCH_BYTES
        self._number = self._store.counts["context"]
        self._store.context_threads[self._number] = set()

    def __del__(self) -> None:
        self._life.alive = False
        if +self._life.pending:
            self._store.problem("execution context released while its work was on a stream")
        self._store.scratch -= SCRATCH_BYTES
        self._store.releases.append("context")

    # --- shapes and addresses

    def set_input_shape(self, name: str, shape: Any) -> bool:
        with self._used():
            info = self.engine.plan.tensor(name)
            if info is None or not info.is_input:
                return self._refuse(f"setInputShape: there is no input {name}")
            wanted = tuple(int(size) for size in shape)
            if not self._allowed(info, wanted):
                return self._refuse(
                    f"setInputShape: Error Code 3: API Usage Error (Set dimension {wanted} for tensor {name} does not "
                    "satisfy any optimization profiles)"
                )
            self._shapes[name] = wanted
            return True

    def _allowed(self, info: TensorInfo, wanted: tuple[int, ...]) -> bool:
        limits = self.engine.plan.profiles[self.active_optimization_profile].get(info.name)
        if limits is None:
            return wanted == info.shape
        low, _, high = limits
        return len(wanted) == len(low) and all(a <= w <= b for a, w, b in zip(low, wanted, high, strict=True))

    @property
    def all_binding_shapes_specified(self) -> bool:
        return not any(-1 in shape for shape in self._shapes.values())

    def infer_shapes(self) -> list[str]:
        return [name for name, shape in self._shapes.items() if -1 in shape]

    def get_tensor_shape(self, name: str) -> Dims:
        info = self.engine.plan.tensor(name)
        if info is None:
            self._refuse(f"getTensorShape: there is no tensor {name}")
            return Dims((-1,))
        if info.is_input:
            return Dims(self._shapes[name])
        if not self.all_binding_shapes_specified:
            return Dims(info.shape)
        return Dims(self.engine.output_shape(info, self._shapes))

    def set_tensor_address(self, name: str, memory: int) -> bool:
        with self._used():
            if self.engine.plan.tensor(name) is None:
                return self._refuse(f"setTensorAddress: there is no tensor {name}")
            self._addresses[name] = int(memory)
            return True

    def get_tensor_address(self, name: str) -> int:
        return self._addresses.get(name, 0)

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        if profile_index >= self.engine.num_optimization_profiles:
            return self._refuse(f"setOptimizationProfileAsync: there is no profile {profile_index}")
        self._store.stream(int(stream_handle))
        self.active_optimization_profile = profile_index
        self._shapes = {t.name: t.shape for t in self.engine.plan.tensors if t.is_input}
        self._ready = None
        return True

    # --- running

    def execute_async_v3(self, stream_handle: int) -> bool:
        with self._used():
            try:
                stream = self._store.stream(int(stream_handle))
            except CudaError as error:
                return self._refuse(f"enqueueV3: Error Code 1: Cuda Runtime ({error.name})")
            if reason := self._not_ready() or self._not_capturable(stream):
                return self._refuse(f"enqueueV3: Error Code 3: API Usage Error ({reason})")
            self._note_streams(stream)
            self._store.counts["execute"] += 1
            self._store.enqueue(stream.handle, self._work(stream, counted=stream.capture is None))
            self._ready = dict(self._shapes)
            return True

    def execute_v2(self, bindings: list[int]) -> bool:
        """Waits for the result. bindings: address of every tensor, in the engine's order."""
        for tensor, address in zip(self.engine.plan.tensors, bindings, strict=True):
            self.set_tensor_address(tensor.name, address)
        if reason := self._not_ready():
            return self._refuse(f"executeV2: {reason}")
        self._work(self._store.stream(0), counted=False)()
        return True

    def is_stream_capturable(self, stream: int) -> bool:
        return not self._captures_by_itself() and self._ready == self._shapes

    def get_runtime_config(self) -> RuntimeConfig | None:
        return self._config

    def _not_ready(self) -> str:
        """Why there is nothing to run yet."""
        if missing := self.infer_shapes():
            return f"input {missing[0]} has dynamic dimensions but setInputShape has not been called"
        for tensor in self.engine.plan.tensors:
            address = self._addresses.get(tensor.name, 0)
            if not address:
                return f"Neither address or allocator is set for tensor {tensor.name}. Call setTensorAddress before enqueue."
            nbytes = self._nbytes(tensor)
            if nbytes and not self._store.on_device(address, nbytes):
                self._store.problem(f"tensor {tensor.name}: {nbytes} bytes at {address:#x} are no live device memory")
                return f"the address of tensor {tensor.name} is no device memory of {nbytes} bytes"
        return ""

    def _not_capturable(self, stream: Stream) -> str:
        """Why the work cannot go into a capture. The first run at new shapes sets up what may not be captured."""
        if stream.capture is None:
            return ""
        if not self._store.settings["captures"]:
            reason = "operation not permitted when stream is capturing"
        elif self._captures_by_itself():
            reason = "the stream is captured, but the context captures CUDA graphs of its own"
        elif self._ready != self._shapes:
            reason = "the shapes are new: enqueue once without a capture first"
        else:
            return ""
        stream.capture.valid = False
        return reason

    def _captures_by_itself(self) -> bool:
        strategy = None if self._config is None else self._config.cuda_graph_strategy
        return strategy is not None and strategy.name == "WHOLE_GRAPH_CAPTURE"

    def _work(self, stream: Stream, *, counted: bool) -> Callable[[], None]:
        """The network on the addresses and shapes of now. counted: until it is done the context is busy on `stream`."""
        engine, life, store = self.engine, self._life, self._store
        shapes, addresses = dict(self._shapes), dict(self._addresses)
        sizes = {tensor.name: self._nbytes(tensor) for tensor in engine.plan.tensors}
        cache = None if self._config is None else self._config.cache
        if counted:
            life.pending[stream.handle] += 1

        def run() -> None:
            if counted:
                life.pending[stream.handle] -= 1
            if not life.alive:
                store.problem("a network ran after its execution context was released")
                raise CudaError("cudaErrorIllegalAddress")
            for name, nbytes in sizes.items():
                if nbytes and not store.on_device(addresses[name], nbytes):
                    store.problem(f"memory of tensor {name} was freed before the network ran")
                    raise CudaError("cudaErrorIllegalAddress")
            if cache is not None:
                cache.compiled(list(shapes.values()), lambda _: store.counts.update(["compiled"]))
            _run_network(engine, shapes, addresses)

        return run

    def _nbytes(self, tensor: TensorInfo) -> int:
        shape = tuple(self.get_tensor_shape(tensor.name))
        return int(np.prod(shape, dtype=np.int64)) * np.dtype(NUMPY[tensor.dtype]).itemsize

    # --- who uses it

    @contextmanager
    def _used(self) -> Iterator[None]:
        self._store.context_threads[self._number].add(threading.get_ident())
        mine = self._inside.acquire(blocking=False)
        if not mine:
            self._store.problem("execution context used by two threads at once")
        try:
            yield
        finally:
            if mine:
                self._inside.release()

    def _note_streams(self, stream: Stream) -> None:
        others = [handle for handle, count in self._life.pending.items() if count and handle != stream.handle]
        if others:
            self._store.problem(
                f"execution context enqueued on stream {stream.handle:#x} while at work on {others[0]:#x}"
            )

    def _refuse(self, text: str) -> bool:
        self.library.log(self.engine.logger, "ERROR", f"IExecutionContext::{text}")
        return False


def _run_network(engine: Engine, shapes: Shapes, addresses: dict[str, int]) -> None:
    feeds = {}
    for tensor in engine.plan.tensors:
        if tensor.is_input:
            dtype = np.dtype(NUMPY[tensor.dtype])
            nbytes = int(np.prod(shapes[tensor.name], dtype=np.int64)) * dtype.itemsize
            feeds[tensor.name] = (
                bytes_at(addresses[tensor.name], nbytes).view(dtype).reshape(shapes[tensor.name]).copy()
            )
    outputs = [tensor.name for tensor in engine.plan.tensors if not tensor.is_input]
    for name, value in zip(outputs, engine.session.run(outputs, feeds), strict=True):
        raw = np.ascontiguousarray(value).view(np.uint8).reshape(-1) if value.size else np.empty(0, np.uint8)
        bytes_at(addresses[name], raw.nbytes)[:] = raw
