"""OpenVINO on the processor."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from threading import Lock
from typing import Any, Literal, NamedTuple

import numpy as np

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.child import run_child
from edgeneuro.runtime.backends.common import first_line, in_flight, refuse_outside_weights
from edgeneuro.runtime.onnx_wire import interface_names
from edgeneuro.spec import Array, Feed, TensorSpec
from edgeneuro.telemetry import silence_telemetry

silence_telemetry()
import openvino  # after what keeps it from reporting to its maker

LIBRARY = f"openvino {openvino.__version__.partition('-')[0]}"
PROBE = "edgeneuro.runtime.backends.openvino_probe"
_PROBE_TIMEOUT_S = 120.0
"""Seconds are usual. The fault that crashes the process has also been seen to leave it waiting for ever."""


class Setting(NamedTuple):
    """How a graph is compiled. batch: the size its inputs' free leading axis is fixed to, None leaves it free. profile:
    the time of each operator is counted, which costs some."""

    threads: int | None
    streams: int
    batch: int | None
    profile: bool = False


_fused: dict[tuple[str, Setting], bool] = {}
"""(SHA-256 of a graph, how it is compiled) -> whether a child process has compiled and run it with fusion, or without."""

log = logging.getLogger("edgeneuro")


class OpenVinoBackend:
    """A graph compiled by OpenVINO for the CPU.

    Floating-point operators run in float32, also where the processor has bfloat16, which the library would prefer:
    FP32 is then what it says. Where the batch axis is free it is fixed to the one frame that comes at a time, since the
    library plans memory and kernels only for shapes it knows; the first other batch compiles the graph once more, free.
    Some graphs crash OpenVINO while it compiles them (2026.4: Q/DQ between operators that it fuses, a fixed batch and
    one thread), so each is compiled and run in a child process first, once for each graph and setting, and without that
    fusion where it crashes.
    Calls may come from any thread, and overlap: each takes a request of its own. compiled: the library's own object for
    one frame, None once closed; compiled with `profile`, its requests tell the time of each operator.
    """

    def __init__(self, model: bytes, *, threads: int | None = None, streams: int = 1, profile: bool = False) -> None:
        refuse_outside_weights(model, LIBRARY)
        self._model, self._setting = model, Setting(threads, streams, batch=1, profile=profile)
        try:
            one = _Program(model, self._setting)
        except BackendError:  # no batch of one fits the graph, or fixing it is what crashes
            one = _Program(model, self._setting._replace(batch=None))
        self.compiled = one.compiled
        self.inputs, self.outputs = _interface(model)
        self._names = [spec.name for spec in self.outputs]
        self._dtypes = {spec.name: np.dtype(spec.dtype) for spec in self.inputs}
        self._batched = [index for index, spec in enumerate(self.inputs) if one.batch and spec.shape[:1] == (-1,)]
        self._one: _Program | None = one
        self._any: _Program | None = None
        self._lock = Lock()

    def run(self, feeds: Feed) -> dict[str, Array]:
        """Every output by name, in memory of its own. Raises BackendError when the library refuses, or after `close`."""
        arrays = self._arrays(feeds)
        program = self._program(arrays)
        try:
            request = program.request(arrays)
            request.infer(share_outputs=True)
            return self._results(program, request)
        except Exception as error:
            raise _failed(_reason(error)) from error

    def run_many(self, feeds: Iterable[Feed]) -> Iterator[dict[str, Array]]:
        """As `edgeneuro.runtime.backends.Backend` says."""
        if self._setting.streams == 1:
            return map(self.run, feeds)
        return in_flight(feeds, self._setting.streams, self._start, self._finish)

    def _start(self, feeds: Feed) -> _Job:
        arrays = self._arrays(feeds)
        program = self._program(arrays)
        try:
            request = program.request(arrays)
            request.start_async()
        except Exception as error:
            raise _failed(_reason(error)) from error
        return _Job(program, request, arrays)

    def _finish(self, job: _Job) -> dict[str, Array]:
        try:
            job.request.wait()
            return self._results(job.program, job.request)
        except Exception as error:
            raise _failed(_reason(error)) from error

    def close(self) -> None:
        """Release the graph and its requests; a second call does nothing."""
        self._one = self._any = self.compiled = None

    def _arrays(self, feeds: Feed) -> list[Array]:
        """In the order of the graph's inputs, as the library can read them in place."""
        arrays = [feeds[name] for name, dtype in self._dtypes.items() if name in feeds and feeds[name].dtype == dtype]
        if len(arrays) != len(self._dtypes) or len(arrays) != len(feeds):  # else it would cast without a word
            wanted = ", ".join(f"{name} of {dtype}" for name, dtype in self._dtypes.items())
            raise BackendError(
                f"openvino: failed to run the graph (got {_described(feeds)}, expected {wanted}); use .astype"
            )
        return [array if array.flags.carray else array.copy() for array in arrays]

    def _program(self, arrays: Sequence[Array]) -> _Program:
        one = self._one
        if one is None:
            raise BackendError("openvino: the engine is closed; open it again")
        if all(arrays[index].shape[:1] == (1,) for index in self._batched):
            return one
        with self._lock:
            if self._any is None:
                self._any = _Program(self._model, self._setting._replace(batch=None))
            return self._any

    def _results(self, program: _Program, request: Any) -> dict[str, Array]:
        results = {name: request.get_output_tensor(index).data.copy() for index, name in enumerate(self._names)}
        program.idle.append(request)
        return results


class _Program:
    """A compiled graph, and its requests that wait for work."""

    def __init__(self, model: bytes, setting: Setting) -> None:
        fused = _survived(model, setting)
        try:
            self.compiled = compile_graph(
                model,
                setting.threads,
                fused=fused,
                streams=setting.streams,
                batch=setting.batch,
                profile=setting.profile,
            )
            self.idle = [self.compiled.create_infer_request()]
        except Exception as error:  # the library's errors share no base class of their own
            raise BackendError(
                f"{LIBRARY}: refuses the graph ({_reason(error)}); build the engine again, or use onnxruntime"
            ) from error
        self.batch = setting.batch

    def request(self, arrays: Sequence[Array]) -> Any:
        """One that reads `arrays` in place; they must outlive its work."""
        try:
            request = self.idle.pop()
        except IndexError:
            request = self.compiled.create_infer_request()
        for index, array in enumerate(arrays):
            request.set_input_tensor(index, openvino.Tensor(array, shared_memory=True))
        return request


class _Job(NamedTuple):
    """A request at work. arrays: what it reads."""

    program: _Program
    request: Any
    arrays: Sequence[Array]


def compile_graph(
    model: bytes,
    threads: int | None,
    *,
    fused: bool,
    precision: Literal["f32", "bf16"] = "f32",
    streams: int = 1,
    profile: bool = False,
    batch: int | None = 1,
) -> Any:
    """openvino.CompiledModel of the ONNX bytes `model`, which must hold its own weights.

    threads: of all streams together. fused: let the library compile chains of small operators into one kernel
    ("snippets"), which is where it crashes. precision: of floating-point operators; "bf16" where the processor has it.
    streams: frames computed at the same time; 1 answers one frame as soon as possible. profile: count the time of
    each operator, which costs some. batch: the size every input's free leading axis is fixed to, None leaves it free, which
    is slower.
    Threads are not pinned to cores, which is the library's default: a pinned one waits for whoever else is on its core.
    May crash the process: only for graphs that have been compiled in another one.
    """
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    settings["ENABLE_CPU_PINNING"] = False
    if streams > 1:
        settings |= {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(streams)}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    if not fused:
        settings["SNIPPETS_MODE"] = "DISABLE"
    if profile:
        settings["PERF_COUNT"] = True
    core = openvino.Core()
    graph = core.read_model(model)
    if batch is not None:
        _fix_batch(graph, batch)
    return core.compile_model(graph, "CPU", settings)


def _fix_batch(graph: Any, batch: int) -> None:
    fixed = {}
    for port in graph.inputs:
        shape = port.get_partial_shape()
        if shape.rank.is_static and len(shape) and shape[0].is_dynamic:
            shape[0] = batch
            fixed[port] = shape
    if fixed:
        graph.reshape(fixed)


def _survived(model: bytes, setting: Setting) -> bool:
    """Whether a child process compiles and runs `model` with fusion; False where it does so only without.

    Raises BackendError when the child crashes either way.
    """
    key = (hashlib.sha256(model).hexdigest(), setting._replace(profile=False))
    if key not in _fused:
        try:
            _probe(model, setting, fused=True)
            _fused[key] = True
        except BackendError as error:
            log.info("%s; compiled without fusion of small operators instead", str(error).partition(";")[0])
            _probe(model, setting, fused=False)
            _fused[key] = False
    return _fused[key]


def _probe(model: bytes, setting: Setting, *, fused: bool) -> None:
    what = f"{LIBRARY}: compiling the graph"
    numbers = (setting.threads or 0, setting.streams, setting.batch or 0, int(fused))
    run_child(what, PROBE, tuple(map(str, numbers)), model, timeout_s=_PROBE_TIMEOUT_S)


def _interface(model: bytes) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs as the file has them, free axes free."""
    graph = openvino.Core().read_model(model)
    inputs, outputs = interface_names(model)
    return (
        tuple(_spec(port, inputs) for port in graph.inputs),
        tuple(_spec(port, (first, *outputs)) for port, first in zip(graph.outputs, outputs, strict=True)),
    )


def _spec(port: Any, known: Sequence[str]) -> TensorSpec:
    """What the library says about one input or output; it knows neither names of axes nor units.

    known: names of the graph's own interface, the likeliest first. The library takes an operator away that changes
    nothing (Identity, a Reshape to the same shape) and then gives its tensor the names before and after it alike.
    """
    shape, names = port.get_partial_shape(), port.get_names()
    return TensorSpec(
        name=next(name for name in known if name in names),
        shape=tuple(size.get_length() if size.is_static else -1 for size in shape),
        axes=tuple(f"axis {axis}" for axis in range(len(shape))),
        dtype=str(port.get_element_type().to_dtype()),
        unit="unknown",
    )


def _failed(reason: str) -> BackendError:
    return BackendError(
        f"openvino: failed to run the graph ({reason}); "
        "run `edgeneuro verify` on the engine and `edgeneuro doctor` on this machine"
    )


def _described(feeds: Feed) -> str:
    return ", ".join(f"{name} of {value.dtype}" for name, value in feeds.items()) or "nothing"


def _reason(error: Exception) -> str:
    """The telling line of the library's message, which begins with the source lines it passed through."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith(("Exception from", "Check "))]
    return next((line for line in lines if line.startswith("-- ")), lines[0] if lines else first_line(error))
