"""TensorRT engines behind the contract of a backend: the same for 10, 11 and RTX."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, ClassVar, NamedTuple, cast

from edgeneuro.errors import BackendError, EdgeNeuroError, ShapeError
from edgeneuro.files import sha256
from edgeneuro.runtime.backends.common import first_line, in_flight, refuse_outside_weights
from edgeneuro.runtime.backends.cuda.api import Cuda
from edgeneuro.runtime.backends.cuda.device_array import device_array
from edgeneuro.runtime.backends.cuda.open import open_cuda
from edgeneuro.runtime.backends.trt.batch import Values, joined, pieces
from edgeneuro.runtime.backends.trt.cache import Source, engines
from edgeneuro.runtime.backends.trt.identity import identity_here
from edgeneuro.runtime.backends.trt.lane import Lane
from edgeneuro.runtime.backends.trt.lanes import Lanes
from edgeneuro.runtime.backends.trt.library import open_library
from edgeneuro.runtime.backends.trt.load import deserialise, open_runtime
from edgeneuro.runtime.backends.trt.records import BuildSettings, EngineIdentity, Flavour, Prebuilt
from edgeneuro.runtime.backends.trt.runtime_cache import KernelCache
from edgeneuro.runtime.backends.trt.tensors import read_interface
from edgeneuro.runtime.backends.trt.vault import Vault
from edgeneuro.spec import Array, Feed

log = logging.getLogger("edgeneuro")


class _Job(NamedTuple):
    """A frame on its way. done: results of the pieces of its batch before the one that is."""

    lane: Lane
    done: list[dict[str, Array]]


class GpuBackend:
    """A graph on the GPU.

    model: ONNX bytes; the engine made from them comes from the private cache, from `prebuilt` or from a build here
    (`cache.engines`). threads: means nothing on a GPU, and is taken because every backend is given it. streams: frames
    that `run_many` computes at the same time. graphs: start a frame with one call, as a CUDA graph, where the library can.
    settings: those the engine must have been built with; None takes any, and builds with the usual ones.

    Calls may come from any thread, and overlap: each takes a lane of its own, with an execution context, a stream and
    buffers. Inputs may be numpy arrays, arrays of other libraries on the GPU, or DeviceArray for a raw pointer; outputs
    are numpy arrays of the caller's. A larger batch than the engine was built for runs in pieces.
    identity, origin: of the engine in use, and where it came from. report: of its build, None for one from the bundle.
    scratch_bytes: device memory of every lane, buffers
    apart.
    """

    flavour: ClassVar[Flavour]

    def __init__(
        self,
        model: bytes,
        *,
        threads: int | None = None,
        streams: int = 1,
        prebuilt: Prebuilt | None = None,
        graphs: bool = True,
        settings: BuildSettings | None = None,
    ) -> None:
        refuse_outside_weights(model, self.flavour)
        self._streams, self._graphs = streams, graphs
        self._library = open_library(self.flavour)
        self._name = self._library.name
        self._lanes: Lanes | None = None
        self._kernels: KernelCache | None = None
        self._runtime: Any = None
        self._engine: Any = None
        self._cuda: Cuda | None = open_cuda()
        try:
            self._load(model, self._cuda, prebuilt, settings)
        except BaseException:
            self.close()
            raise

    def _load(self, model: bytes, cuda: Cuda, prebuilt: Prebuilt | None, settings: BuildSettings | None) -> None:
        cuda.bind()
        device, vault = cuda.device(), Vault()
        here = identity_here(model, self._library, device)
        self._runtime = open_runtime(self._library)
        source = self._open_engine(model, engines(model, here, vault, prebuilt=prebuilt, settings=settings))
        self.identity: EngineIdentity = source.identity
        self.origin, self.report = source.origin, source.report
        self._interface = read_interface(self._engine, self._library.module, self._name)
        self.inputs, self.outputs = self._interface.inputs, self._interface.outputs
        self._specs = {spec.name: spec for spec in self.inputs}
        self.scratch_bytes = _scratch_bytes(self._engine)
        self._device, self._zero_copy = device.index, device.integrated
        if self.flavour == "tensorrt-rtx":
            foreign = source.origin == "bundle"  # whoever signed it: its kernels are not those of what is built here
            name = sha256(source.content) if foreign else here.graph
            self._kernels = KernelCache(self._engine, self._library.module, vault, name, graphs=self._graphs)
        self._lanes = Lanes(self._lane, self._kernels)
        self._lanes.give_back(self._lanes.take(), ran=False)  # memory for one frame is there from the start

    def _open_engine(self, model: bytes, sources: Iterator[Source]) -> Source:
        """The first that the library loads; the last is raised for, since it was built here."""
        for source in sources:
            try:
                self._engine = deserialise(source, model, self._runtime, self._library)
            except BackendError as error:
                if source.origin == "build":
                    raise
                log.warning("%s; it came from the %s, and another is taken", error, source.origin)
            else:
                return source
        raise AssertionError("cache.engines ends with a build")

    def _lane(self) -> Lane:
        cuda = self._open_cuda()
        cuda.bind()
        if self._kernels is None:
            context = self._engine.create_execution_context()
        else:
            context = self._engine.create_execution_context(runtime_config=self._kernels.config)
        if context is None:
            free = cuda.device().free_bytes
            raise BackendError(
                f"{self._name}: cannot make an execution context, which takes {self.scratch_bytes:,} bytes on the device "
                f"({free:,} are free); use fewer threads and streams, or a smaller batch"
            )
        own_graphs = self._kernels is not None  # TensorRT-RTX captures by itself
        captures = self._graphs and cuda.captures and not own_graphs
        return Lane(cuda, context, self._interface, library=self._library, zero_copy=self._zero_copy, graphs=captures)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Of now, the oldest first; none once closed."""
        return () if self._lanes is None else tuple(self._lanes.all)

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Array]:
        """Every output by name. Raises BackendError: an input that the engine does not take, or after `close`."""
        return self._finish(self._start(feeds))

    def run_many(self, feeds: Iterable[Feed]) -> Iterator[dict[str, Array]]:
        """As `edgeneuro.runtime.backends.Backend` says."""
        if self._streams == 1:
            return map(self.run, feeds)
        return in_flight(feeds, self._streams, self._start, self._finish)

    def _start(self, feeds: Mapping[str, Any]) -> _Job:
        """Run all pieces of the batch but the last, and start that."""
        cuda, lanes = self._open_cuda(), self._open_lanes()
        lane = lanes.take()
        with self._minding(lane, lanes):
            cuda.bind()
            *first, last = pieces(self._values(feeds, lane, cuda), self._interface, self._name)
            done = []
            for piece in first:
                lane.start(piece)
                done.append(lane.finish())
            lane.start(last)
        return _Job(lane, done)

    def _finish(self, job: _Job) -> dict[str, Array]:
        cuda, lanes = self._open_cuda(), self._open_lanes()
        with self._minding(job.lane, lanes):
            cuda.bind()
            results = [*job.done, job.lane.finish()]
        lanes.give_back(job.lane, ran=True)
        return joined(results)

    @contextmanager
    def _minding(self, lane: Lane, lanes: Lanes) -> Iterator[None]:
        """After a failure the lane is free for the next call; what was wrong with the arrays, or in the library, becomes a
        BackendError, as the contract of backends has it."""
        try:
            yield
        except BaseException as error:
            with suppress(BackendError):
                lane.drain()
            lanes.give_back(lane, ran=False)
            if isinstance(error, ShapeError):
                raise BackendError(f"{self._name}: {error}") from error
            if isinstance(error, EdgeNeuroError) or not isinstance(error, Exception):
                raise
            raise BackendError(
                f"{self._name}: failed to run the graph ({first_line(error)}); "
                "run `edgeneuro verify` on the engine and `edgeneuro doctor` on this machine"
            ) from error

    def _values(self, feeds: Mapping[str, Any], lane: Lane, cuda: Cuda) -> Values:
        """Every input, checked, where it lies."""
        if set(feeds) != set(self._specs):
            raise BackendError(
                f"{self._name}: got {', '.join(map(repr, feeds)) or 'no input'}, "
                f"expected {', '.join(map(repr, self._specs))}"
            )
        assert lane.stream is not None
        values = {
            name: device_array(value, stream=lane.stream, synchronize=cuda.synchronize, device=self._device)
            for name, value in feeds.items()
        }
        for name, value in values.items():
            self._specs[name].check(cast(Array, value))  # what it asks for, both have
        return values

    def _open_cuda(self) -> Cuda:
        if self._cuda is None:
            raise BackendError(f"{self._name}: the engine is closed; open it again")
        return self._cuda

    def _open_lanes(self) -> Lanes:
        if self._lanes is None:
            raise BackendError(f"{self._name}: the engine is closed; open it again")
        return self._lanes

    def close(self) -> None:
        """Release everything in the order the libraries need: graphs and contexts, compiled kernels, engine, runtime,
        buffers and streams, CUDA. No call may be on its way; a second call does nothing."""
        cuda, self._cuda = self._cuda, None
        if cuda is None:
            return
        lanes, self._lanes = self.lanes, None
        with ExitStack() as reverse:  # the last one named is released first; what fails stops none of the others
            reverse.callback(cuda.close)
            for lane in lanes:
                reverse.callback(lane.release_memory)
            reverse.callback(self._release_engine)
            if self._kernels is not None:
                reverse.callback(self._kernels.close)
            for lane in lanes:
                reverse.callback(lane.release_context)
            for lane in lanes:
                reverse.callback(lane.graphs.clear)
            cuda.bind()

    def _release_engine(self) -> None:
        self._engine = None
        self._runtime = None


def _scratch_bytes(engine: Any) -> int:
    """Device memory of one execution context. TensorRT 11 and RTX have the second name alone."""
    return int(engine.device_memory_size_v2 if hasattr(engine, "device_memory_size_v2") else engine.device_memory_size)
