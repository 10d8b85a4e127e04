"""OpenVINO on the processor."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.child import run_child
from edgeneuro.runtime.backends.common import first_line, refuse_outside_weights
from edgeneuro.runtime.onnx_wire import interface_names
from edgeneuro.spec import Array, TensorSpec
from edgeneuro.telemetry import silence_telemetry

silence_telemetry()
import openvino  # after what keeps it from reporting to its maker

LIBRARY = f"openvino {openvino.__version__.partition('-')[0]}"
PROBE = "edgeneuro.runtime.backends.openvino_probe"
_PROBE_TIMEOUT_S = 120.0
"""Seconds are usual. The fault that crashes the process has also been seen to leave it waiting for ever."""

_fused: dict[tuple[str, int | None], bool] = {}
"""(SHA-256 of a graph, threads) -> the setting of `compile_graph` with which a child process has compiled and run it."""

log = logging.getLogger("edgeneuro")


class OpenVinoBackend:
    """A graph compiled by OpenVINO for the CPU, to answer one frame as soon as possible.

    Floating-point operators run in float32, also where the processor has bfloat16, which the library would prefer:
    FP32 is then what it says. Some graphs crash OpenVINO while it compiles them (2026.4: Q/DQ between operators that it
    fuses, a fixed batch and one thread), so each is compiled and run in a child process first, once for each graph and
    number of threads, and without that fusion where it crashes.
    Calls may come from any thread; they wait for each other, since one request with its tensors is used again and again.
    """

    def __init__(self, model: bytes, *, threads: int | None = None) -> None:
        refuse_outside_weights(model, LIBRARY)
        fused = _survived(model, threads)
        try:
            compiled = compile_graph(model, threads, fused=fused)
            self._request: Any | None = compiled.create_infer_request()
        except Exception as error:  # the library's errors share no base class of their own
            raise BackendError(
                f"{LIBRARY}: refuses the graph ({_reason(error)}); build the engine again, or use onnxruntime"
            ) from error
        self.compiled = compiled
        inputs, outputs = interface_names(model)
        self.inputs = tuple(_spec(port, inputs) for port in compiled.inputs)
        self.outputs = tuple(
            _spec(port, (first, *outputs)) for port, first in zip(compiled.outputs, outputs, strict=True)
        )
        self._dtypes = {spec.name: spec.dtype for spec in self.inputs}
        self._names = [spec.name for spec in self.outputs]
        self._lock = Lock()

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name, in memory of its own. Raises BackendError when the library refuses, or after `close`."""
        if self._request is None:
            raise BackendError("openvino: the engine is closed; open it again")
        if {name: value.dtype for name, value in feeds.items()} != self._dtypes:  # else it would cast without a word
            raise BackendError(
                f"openvino: failed to run the graph (got {_described(feeds)}, expected "
                f"{', '.join(f'{name} of {dtype}' for name, dtype in self._dtypes.items())}); use .astype"
            )
        with self._lock:
            try:
                self._request.infer(dict(feeds), share_inputs=True, share_outputs=True)
                values = [self._request.get_output_tensor(index).data.copy() for index in range(len(self._names))]
            except Exception as error:
                raise BackendError(
                    f"openvino: failed to run the graph ({_reason(error)}); "
                    "run `edgeneuro verify` on the engine and `edgeneuro doctor` on this machine"
                ) from error
        return dict(zip(self._names, values, strict=True))

    def close(self) -> None:
        """Release the request and the graph; a second call does nothing."""
        self._request = None
        self.compiled = None


def compile_graph(model: bytes, threads: int | None, *, fused: bool) -> Any:
    """openvino.CompiledModel of the ONNX bytes `model`, which must hold its own weights.

    fused: let the library compile chains of small operators into one kernel ("snippets"), which is where it crashes.
    May crash the process: only for graphs that have been compiled in another one.
    """
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    if not fused:
        settings["SNIPPETS_MODE"] = "DISABLE"
    core = openvino.Core()
    return core.compile_model(core.read_model(model), "CPU", settings)


def _survived(model: bytes, threads: int | None) -> bool:
    """Whether a child process compiles and runs `model` with fusion; False where it does so only without.

    Raises BackendError when the child crashes either way.
    """
    key = (hashlib.sha256(model).hexdigest(), threads)
    if key not in _fused:
        try:
            _probe(model, threads, fused=True)
            _fused[key] = True
        except BackendError as error:
            log.info("%s; compiled without fusion of small operators instead", str(error).partition(";")[0])
            _probe(model, threads, fused=False)
            _fused[key] = False
    return _fused[key]


def _probe(model: bytes, threads: int | None, *, fused: bool) -> None:
    what = f"{LIBRARY}: compiling the graph"
    run_child(what, PROBE, (str(threads or 0), str(int(fused))), model, timeout_s=_PROBE_TIMEOUT_S)


def _spec(port: Any, known: Sequence[str]) -> TensorSpec:
    """What the library says about one input or output; it knows neither names of axes nor units.

    known: names of the graph's own interface, the likeliest first. The library takes an operator away that changes nothing (Identity, a
    Reshape to the same shape) and then gives its tensor the names before and after it alike.
    """
    shape, names = port.get_partial_shape(), port.get_names()
    return TensorSpec(
        name=next(name for name in known if name in names),
        shape=tuple(size.get_length() if size.is_static else -1 for size in shape),
        axes=tuple(f"axis {axis}" for axis in range(len(shape))),
        dtype=str(port.get_element_type().to_dtype()),
        unit="unknown",
    )


def _described(feeds: Mapping[str, Array]) -> str:
    return ", ".join(f"{name} of {value.dtype}" for name, value in feeds.items()) or "nothing"


def _reason(error: Exception) -> str:
    """The telling line of the library's message, which begins with the source lines it passed through."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith(("Exception from", "Check "))]
    return next((line for line in lines if line.startswith("-- ")), lines[0] if lines else first_line(error))
