"""ONNX Runtime on the processor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import onnxruntime as ort

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.common import first_line, in_flight, refuse_outside_weights
from edgeneuro.runtime.cpu import core_count
from edgeneuro.spec import Array, Feed, TensorSpec

_NUMPY_NAMES = {"float": "float32", "double": "float64"}

UNWANTED = ("WeightBiasQuantization",)
"""Optimisers left out. This one turns a layer the plan leaves in float into INT8, with scales of its own, wherever its
neighbours are quantised."""


class OrtBackend:
    """A graph opened by ONNX Runtime's CPU provider, by default with all graph optimisations.

    optimise: False runs every node as the file says it: Q/DQ to the letter, slowly.
    session: the library's own object, None once closed. Several threads wait for the next call by spinning, which is
    the library's default: the shortest latency, at the price of busy cores between frames. One thread never spins.
    One `run` may follow another from any thread, and they may overlap: a session keeps no state between calls.
    profile: how the name of a file begins that gets the time of each operator at `session.end_profiling()`.
    streams: calls that `run_many` lets overlap. Each brings a thread of its own; what is left of `threads` helps them all.
    """

    def __init__(
        self,
        model: bytes,
        *,
        threads: int | None = None,
        streams: int = 1,
        optimise: bool = True,
        profile: str | None = None,
    ) -> None:
        refuse_outside_weights(model, f"onnxruntime {ort.__version__}")
        options = ort.SessionOptions()
        options.log_severity_level = 3  # errors only: they come back as exceptions anyway
        if profile is not None:
            options.enable_profiling, options.profile_file_prefix = True, profile
        if not optimise:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        if streams > 1:  # the library's number counts the thread that calls
            options.intra_op_num_threads = max((threads or core_count()) - streams + 1, 1)
        elif threads is not None:
            options.intra_op_num_threads = threads
        try:
            session = ort.InferenceSession(
                model, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(UNWANTED)
            )
        except Exception as error:  # the library's errors share no base class of their own
            raise BackendError(
                f"onnxruntime {ort.__version__}: refuses the graph ({first_line(error)}); "
                "build the engine again, or install a newer onnxruntime"
            ) from error
        self.inputs = tuple(_spec(node) for node in session.get_inputs())
        self.outputs = tuple(_spec(node) for node in session.get_outputs())
        self._names = [spec.name for spec in self.outputs]
        self._streams = streams
        self.session: ort.InferenceSession | None = session

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name. Raises BackendError when the library refuses, or after `close`."""
        session = self.session
        if session is None:
            raise BackendError("onnxruntime: the engine is closed; open it again")
        try:
            values = session.run(self._names, feeds)
        except Exception as error:
            raise BackendError(
                f"onnxruntime: failed to run the graph ({first_line(error)}); "
                "run `edgeneuro verify` on the engine and `edgeneuro doctor` on this machine"
            ) from error
        return dict(zip(self._names, values, strict=True))

    def run_many(self, feeds: Iterable[Feed]) -> Iterator[dict[str, Array]]:
        """As `edgeneuro.runtime.backends.Backend` says."""
        return map(self.run, feeds) if self._streams == 1 else self._overlapping(feeds)

    def _overlapping(self, feeds: Iterable[Feed]) -> Iterator[dict[str, Array]]:
        with ThreadPoolExecutor(self._streams, thread_name_prefix="edgeneuro-stream") as pool:
            yield from in_flight(feeds, self._streams, lambda feed: pool.submit(self.run, feed), Future.result)

    def close(self) -> None:
        """Release the session; a second call does nothing."""
        self.session = None


def _spec(node: Any) -> TensorSpec:
    """What the library says about one input or output; it knows no unit."""
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    return TensorSpec(
        name=node.name,
        shape=tuple(size if isinstance(size, int) else -1 for size in node.shape),
        axes=tuple(size if isinstance(size, str) else f"axis {axis}" for axis, size in enumerate(node.shape)),
        dtype=_NUMPY_NAMES.get(kind, kind),
        unit="unknown",
    )
