"""How long each layer of a graph takes, told by the backend's own profiler."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edgeneuro.benchmarks.compute.names import Names
from edgeneuro.benchmarks.document import LayerTime
from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends import unavailable
from edgeneuro.spec import Feed

WARM_UP, RUNS = 3, 30
BUDGET_S, RUNS_LEAST = 5.0, 5
"""After so many seconds no further run starts, but some are made in any case: a large network is profiled less often."""

_INTEGER_KERNELS = ("QLinear", "QGemm", "ConvInteger", "MatMulInteger", "DynamicQuantize")
_ORT_TYPES = {"float": "fp32", "float16": "fp16", "bfloat16": "bf16", "uint8": "int8", "int8": "int8"}
_OPENVINO_TYPES = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "i8": "int8", "u8": "int8"}
_KERNEL = "_kernel_time"

Result = TypeVar("Result")


def profile_layers(graph: bytes, backend: str, feeds: Sequence[Feed], *, threads: int | None) -> tuple[LayerTime, ...]:
    """The layers in the order they run, each with its median over runs that take `feeds` in turn.

    A layer has the name of the node of `graph` it came from, of a chain of fused nodes that of the convolution or
    product in it, of several "one + other"; what the runtime put in by itself, such as a change of layout, keeps the runtime's name. macs, bytes
    and floor_ms are for `with_floors` to fill in. The clock counts whole microseconds and costs some: the layers of a
    small network add up to more than it takes unobserved. Raises BackendError: a backend without a profiler, one that is
    not installed, or that refuses the graph.
    """
    profilers = {"onnxruntime": _onnxruntime, "openvino": _openvino}
    if backend not in profilers:
        raise BackendError(f"backend {backend!r}: has no profiler here, expected one of {', '.join(profilers)}")
    if unavailable(backend):
        raise BackendError(f"backend {backend!r}: {unavailable(backend)}")
    return _medians(profilers[backend](graph, feeds, threads))


def _onnxruntime(graph: bytes, feeds: Sequence[Feed], threads: int | None) -> list[list[LayerTime]]:
    from edgeneuro.runtime.backends.ort import OrtBackend

    with tempfile.TemporaryDirectory(prefix="edgeneuro-") as folder:
        with closing(OrtBackend(graph, threads=threads, profile=str(Path(folder) / "profile"))) as backend:
            count = len(_repeat(backend.run, feeds))
            assert backend.session is not None  # it is open
            path = Path(backend.session.end_profiling())
        return onnxruntime_runs(json.loads(path.read_text(encoding="utf-8")), Names(graph))[-count:]


def onnxruntime_runs(events: Sequence[Mapping[str, Any]], names: Names) -> list[list[LayerTime]]:
    """The kernels of every run in ONNX Runtime's profile (trace events, microseconds).

    A kernel that runs within another, such as the body of a loop, is part of that one.
    """
    runs: list[list[LayerTime]] = []
    frames = [event for event in events if event["name"] == "model_run"]
    kernels = sorted(
        (event for event in events if event["cat"] == "Node" and event["name"].endswith(_KERNEL)),
        key=lambda event: (event["ts"], -event["dur"]),
    )
    for frame in frames:
        run, free_from = list[LayerTime](), frame["ts"]
        for event in kernels:
            if free_from <= event["ts"] < frame["ts"] + frame["dur"]:
                free_from = event["ts"] + event["dur"]
                run.append(_kernel(event, names))
        runs.append(run)
    return runs


def _kernel(event: Mapping[str, Any], names: Names) -> LayerTime:
    name, operator = event["name"].removesuffix(_KERNEL), event["args"]["op_name"]
    kinds = [kind for value in event["args"].get("input_type_shape", ()) for kind in value]
    return LayerTime(
        name=names.of_onnxruntime(name, operator) or name,
        operator=operator,
        precision="int8" if operator.startswith(_INTEGER_KERNELS) else _ORT_TYPES.get(kinds[0] if kinds else "", ""),
        ms=event["dur"] / 1e3,
        macs=None,
        floor_ms=None,
    )


def _openvino(graph: bytes, feeds: Sequence[Feed], threads: int | None) -> list[list[LayerTime]]:
    from edgeneuro.runtime.backends.openvino import OpenVinoBackend

    names = Names(graph)
    with closing(OpenVinoBackend(graph, threads=threads, profile=True)) as backend:
        request = backend.compiled.create_infer_request()
        fused = {
            node.get_friendly_name(): node.rt_info["originalLayersNames"].astype(str).split(",")
            for node in backend.compiled.get_runtime_model().get_ops()
        }

        def run(feed: Feed) -> list[LayerTime]:
            request.infer(dict(feed))
            return [
                _layer(info, names.of_openvino(info.node_name, fused.get(info.node_name, ())))
                for info in request.get_profiling_info()
                if info.status == info.Status.EXECUTED
            ]

        return _repeat(run, feeds)


def _layer(info: Any, name: str | None) -> LayerTime:
    """info: openvino.ProfilingInfo. exec_type ends with what is computed in, e.g. "brgconv_avx512_I8"."""
    return LayerTime(
        name=name or info.node_name,
        operator=info.node_type,
        precision=_OPENVINO_TYPES.get(info.exec_type.rpartition("_")[2].lower(), ""),
        ms=1e3 * info.real_time.total_seconds(),
        macs=None,
        floor_ms=None,
    )


def _repeat(run: Callable[[Feed], Result], feeds: Sequence[Feed]) -> list[Result]:
    """What `run` gives, warm-up apart."""
    found, turns = list[Result](), cycle(feeds)
    for _ in range(WARM_UP):
        run(next(turns))
    started = time.perf_counter()
    while len(found) < RUNS_LEAST or (len(found) < RUNS and time.perf_counter() - started < BUDGET_S):
        found.append(run(next(turns)))
    return found


def _medians(runs: Iterable[Sequence[LayerTime]]) -> tuple[LayerTime, ...]:
    """Layer by layer over runs, in the order of the first; layers of one name within a run keep their places apart."""
    times: dict[tuple[str, str, int], list[LayerTime]] = {}
    for run in runs:
        seen: dict[tuple[str, str], int] = {}
        for layer in run:
            place = seen[layer.name, layer.operator] = seen.get((layer.name, layer.operator), -1) + 1
            times.setdefault((layer.name, layer.operator, place), []).append(layer)
    return tuple(replace(same[0], ms=float(np.median([layer.ms for layer in same]))) for same in times.values())
