"""OpenVINO as its own guide uses it for the shortest latency, on float graphs and on NNCF's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from edgeneuro.benchmarks.rivals.material import Material
from edgeneuro.benchmarks.rivals.openvino_ir import Shapes, compile_ir, pack_ir
from edgeneuro.benchmarks.rivals.rival import Opened
from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.child import run_child
from edgeneuro.spec import Array, Feed
from edgeneuro.telemetry import silence_telemetry

PROBE = "edgeneuro.benchmarks.rivals.openvino_probe"
PROBE_S = 120.0
"""Seconds are usual; the fault that crashes the process has also been seen to leave it waiting for ever."""
UNFUSED: Mapping[str, Any] = {"SNIPPETS_MODE": "DISABLE"}
"""Without the fusion of small operators, in which OpenVINO 2026.4 crashes."""


def open_float(material: Material) -> Opened:
    """The float graph in FP32, which OpenVINO has to be asked for where the processor has bfloat16."""
    return _open(material, _read(material.source.model), {"INFERENCE_PRECISION_HINT": "f32"}, material.source.model)


def open_bf16(material: Material) -> Opened:
    """The float graph in bfloat16, OpenVINO's default where the processor has it. Raises BackendError where it has not."""
    if "BF16" not in _import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise BackendError(
            "OpenVINO bf16: this processor has no bfloat16 arithmetic, which OpenVINO would replace by FP32"
        )
    return _open(material, _read(material.source.model), {"INFERENCE_PRECISION_HINT": "bf16"}, material.source.model)


def open_nncf(material: Material) -> Opened:
    """`nncf.quantize(model, dataset)` on the float graph as OpenVINO reads it, every default."""
    from edgeneuro.export.nncf_ranges import import_nncf, quiet_nncf

    nncf = import_nncf()
    with quiet_nncf():
        quantized = nncf.quantize(_read(material.source.model), nncf.Dataset([dict(feed) for feed in material.frames]))
    return _open(material, quantized, {}, None)


def open_nncf_onnx(material: Material) -> Opened:
    """The ONNX graph that NNCF writes."""
    return _open(material, _read(material.nncf_graph), {}, material.nncf_graph)


def _read(model: bytes) -> Any:
    """openvino.Model of ONNX bytes."""
    return _import_openvino().Core().read_model(model)


def _import_openvino() -> Any:
    silence_telemetry()
    import openvino

    return openvino


def _open(material: Material, model: Any, settings: Mapping[str, Any], graph: bytes | None) -> Opened:
    """graph: ONNX bytes of `model`, None where it has none, then it is OpenVINO's own."""
    wanted = {"PERFORMANCE_HINT": "LATENCY", **settings}
    if material.threads is not None:
        wanted["INFERENCE_NUM_THREADS"] = material.threads
    ir = pack_ir(model)
    compiled, how = _compile(ir, {name: list(array.shape) for name, array in material.frames[0].items()}, wanted)
    notes = [f"openvino {version('openvino')}", how]
    if "INFERENCE_PRECISION_HINT" not in settings:
        notes.insert(1, f"nncf {version('nncf')}")
        kind = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        notes.append(f"operators that NNCF leaves in float run in {kind}, OpenVINO's default here")
    return _bare(compiled, material, ir if graph is None else graph, notes)


def _compile(ir: bytes, shapes: Shapes, settings: Mapping[str, Any]) -> tuple[Any, str]:
    """The graph for feeds of `shapes`, and how it was compiled: the first way that no child process crashes on."""
    attempts: dict[str, tuple[Shapes, Mapping[str, Any]]] = {
        "compiled for a batch of 1": (shapes, settings),
        "compiled for a batch of 1, without fusion of small operators, where OpenVINO crashes": (
            shapes,
            {**settings, **UNFUSED},
        ),
        "compiled for any batch: with one fixed OpenVINO refuses or crashes": ({}, settings),
    }
    failure: Exception | None = None
    for how, (sizes, wanted) in attempts.items():
        try:
            run_child(
                "OpenVINO: compiling the graph", PROBE, (json.dumps(sizes), json.dumps(wanted)), ir, timeout_s=PROBE_S
            )
            return compile_ir(ir, sizes, wanted), how
        except (BackendError, RuntimeError) as error:  # a crash in the child, or the library's refusal
            failure = failure or error
    assert failure is not None
    raise failure


def _bare(compiled: Any, material: Material, graph: bytes, notes: list[str]) -> Opened:
    """One request used again and again, which reads the feed and shows its outputs in place."""
    from openvino import Tensor

    request = compiled.create_infer_request()
    known = list(material.frames[0])
    inputs = [next(name for name in known if name in port.get_names()) for port in compiled.inputs]
    outputs = [
        next(name for name in (first, *material.reference) if name in port.get_names())
        for port, first in zip(compiled.outputs, material.reference, strict=True)
    ]

    def run(feed: Feed) -> Mapping[str, Array]:
        for index, name in enumerate(inputs):
            request.set_input_tensor(index, Tensor(np.ascontiguousarray(feed[name]), shared_memory=True))
        request.infer(share_inputs=True, share_outputs=True)
        return {name: request.get_output_tensor(index).data for index, name in enumerate(outputs)}

    def close() -> None:
        nonlocal request
        request = None

    return Opened(run=run, close=close, graph=graph, notes=tuple(notes))
