"""One way through the engine: an execution context with a stream, buffers and CUDA graphs of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.cuda.api import Cuda
from edgeneuro.runtime.backends.cuda.device_array import DeviceArray
from edgeneuro.runtime.backends.trt.buffers import Buffer
from edgeneuro.runtime.backends.trt.graphs import Graphs
from edgeneuro.runtime.backends.trt.library import Library
from edgeneuro.runtime.backends.trt.tensors import Interface
from edgeneuro.spec import Array

Shapes = tuple[tuple[int, ...], ...]
"""Of the inputs, in their order."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What belongs to one set of input shapes. views: the host's memory of every input and output."""

    views: Mapping[str, Array]


class Lane:
    """Used by one thread at a time: `start` enqueues a frame and returns, `finish` waits for it.

    context: TensorRT's IExecutionContext, which may not be shared.
    zero_copy: host and device share their memory. graphs: CUDA graphs may be captured. The context's scratch memory, the
    buffers and the graphs stay for as long as the lane.
    """

    def __init__(
        self, cuda: Cuda, context: Any, interface: Interface, *, library: Library, zero_copy: bool, graphs: bool
    ) -> None:
        self._cuda, self._interface, self._library = cuda, interface, library
        self.context: Any = context
        self.stream: int | None = cuda.create_stream()
        specs = (*interface.inputs, *interface.outputs)
        self._dtypes = {spec.name: np.dtype(spec.dtype) for spec in specs}
        self._buffers = {spec.name: Buffer(cuda, zero_copy=zero_copy) for spec in specs}
        self.graphs = Graphs(cuda, self.stream, enabled=graphs)
        self._plans: dict[Shapes, _Plan] = {}
        self._shapes: Shapes | None = None
        self._running: tuple[_Plan, Mapping[str, Array | DeviceArray]] | None = None

    def start(self, feeds: Mapping[str, Array | DeviceArray]) -> None:
        """Enqueue one frame, or one batch that fits the engine; arrays on the device must stay until `finish`.

        Raises BackendError: shapes the engine does not take, sizes that depend on the data, or the library's refusal.
        """
        stream = self._open_stream()
        names = [spec.name for spec in self._interface.inputs]
        shapes = tuple(tuple(feeds[name].shape) for name in names)
        plan = self._plans.get(shapes) or self._plan(shapes)
        self._running = plan, feeds
        uploads = []
        for name in names:
            value, view = feeds[name], plan.views[name]
            if isinstance(value, DeviceArray):
                self._buffers[name].take(value.address, view.nbytes, stream)
            else:
                np.copyto(view, value, casting="no")
                uploads.append(name)

        def work() -> None:
            self._enqueue(plan, uploads, stream)

        key = (shapes, tuple(uploads))
        if not self.graphs.replay(key):
            known = self._set_shapes(shapes)
            self.graphs.run(key, work, settled=known)

    def finish(self) -> dict[str, Array]:
        """Wait for what was started; every output by name, in memory of the caller's."""
        stream = self._open_stream()
        assert self._running is not None
        plan, _ = self._running
        self._cuda.synchronize(stream)
        self._running = None
        return {spec.name: plan.views[spec.name].copy() for spec in self._interface.outputs}

    def drain(self) -> None:
        """Wait for whatever is still under way, after a failure."""
        stream = self._open_stream()
        self._cuda.synchronize(stream)
        self._running = None

    def release_context(self) -> None:
        """After the graphs, before the engine. Nothing can be started any more."""
        self.context = None

    def release_memory(self) -> None:
        """Buffers, then the stream, after the engine."""
        for buffer in self._buffers.values():
            buffer.free()
        stream, self.stream = self.stream, None
        if stream is not None:
            self._cuda.destroy_stream(stream)

    def _open_stream(self) -> int:
        if self.stream is None:
            raise BackendError(f"{self._library.name}: the engine is closed; open it again")
        return self.stream

    def _enqueue(self, plan: _Plan, uploads: list[str], stream: int) -> None:
        """Copies to the device, the network, copies back."""
        for name in uploads:
            self._buffers[name].upload(plan.views[name].nbytes, stream)
        if not self.context.execute_async_v3(stream):
            said = self._library.log.errors()[-1:] or ("no reason given",)
            raise BackendError(f"{self._library.name}: did not start the network ({said[0]}); run `edgeneuro doctor`")
        for spec in self._interface.outputs:
            self._buffers[spec.name].download(plan.views[spec.name].nbytes, stream)

    def _plan(self, shapes: Shapes) -> _Plan:
        """Sizes of the outputs, room for everything, and views of it."""
        self._set_shapes(shapes)
        names = [spec.name for spec in self._interface.inputs]
        sizes = dict(zip(names, shapes, strict=True))
        for spec in self._interface.outputs:
            sizes[spec.name] = tuple(int(size) for size in self.context.get_tensor_shape(spec.name))
            if min(sizes[spec.name], default=0) < 0:
                raise BackendError(
                    f"{self._library.name}: the size of output {spec.name!r}, {sizes[spec.name]}, depends on the values of the "
                    "inputs, expected one that follows from their shapes; move that operator behind the network"
                )
        self._reserve({name: math.prod(shape) * self._dtypes[name].itemsize for name, shape in sizes.items()})
        views = {name: self._buffers[name].view(shape, self._dtypes[name]) for name, shape in sizes.items()}
        plan = self._plans[shapes] = _Plan(views=views)
        return plan

    def _reserve(self, nbytes: Mapping[str, int]) -> None:
        """Room for so many bytes of each tensor. Where memory moves, every graph and view of it ends first."""
        growing = [name for name, count in nbytes.items() if not self._buffers[name].holds(count)]
        if growing:
            self.graphs.clear()
            self._plans.clear()
        for name in growing:
            self._buffers[name].reallocate(nbytes[name])
            if not self.context.set_tensor_address(name, self._buffers[name].device):
                raise BackendError(f"{self._library.name}: does not take memory for tensor {name!r}; report this")

    def _set_shapes(self, shapes: Shapes) -> bool:
        """Tell the context the shapes to come. Returns whether it knew them."""
        if shapes == self._shapes:
            return True
        self._shapes = None
        for spec, shape in zip(self._interface.inputs, shapes, strict=True):
            if not self.context.set_input_shape(spec.name, shape):
                raise BackendError(
                    f"{self._library.name}: input {spec.name!r} does not take the shape {shape}; "
                    "prepare the engine again with a --max-batch that holds it"
                )
        if unknown := self.context.infer_shapes():
            raise BackendError(
                f"{self._library.name}: the shapes of {', '.join(map(repr, unknown))} do not follow from those of the inputs; "
                "export the graph with fixed sizes"
            )
        self._shapes = shapes
        return False
