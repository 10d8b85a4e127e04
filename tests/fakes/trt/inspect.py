"""What an engine says of its layers: the inspector's JSON in the form of each version, and the build log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.fakes.trt.plan import LayerInfo, Plan

CASK = {
    "CONVOLUTION": "CaskConvolution",
    "DECONVOLUTION": "CaskDeconvolution",
    "MATRIX_MULTIPLY": "CaskGemmMatrixMultiply",
}
MYELIN = {"CONVOLUTION": "correlation", "DECONVOLUTION": "deconvolution", "MATRIX_MULTIPLY": "gemm"}
PARAMETERS = {"CONVOLUTION": "Convolution", "DECONVOLUTION": "Deconvolution"}
FORMATS_10 = {
    "Float": "Row major linear FP32",
    "Half": "Row major linear FP16 format",
    "Int8": "Thirty-two wide channel vectorized row major Int8 format",
}
LINEAR = "(Linear) Row major linear format"


def information(plan: Plan, *, as_json: bool) -> str:
    """Of the whole engine. Without detailed verbosity the layers are names alone, as in the library."""
    if not as_json:
        return log_text(plan)
    detailed = plan.verbosity == "DETAILED"
    layers: list[Any] = [_layer(plan, layer) if detailed else layer.name for layer in plan.layers]
    if plan.verbosity == "NONE":
        layers = []
    if plan.flavour == "tensorrt" and plan.version.startswith("10."):
        return json.dumps({"Layers": layers, "Bindings": [tensor.name for tensor in plan.tensors]})
    tensors = [
        {
            "Name": tensor.name,
            "IOMode": "Input" if tensor.is_input else "Output",
            "DataType": tensor.dtype.title(),
            "Dimensions": list(tensor.shape),
            "Location": "Device",
        }
        for tensor in plan.tensors
    ]
    return json.dumps({"Layers": layers, "I/O Tensors": tensors})


def layer_information(plan: Plan, index: int) -> str:
    """Of one layer, as JSON."""
    return json.dumps(_layer(plan, plan.layers[index]))


def _layer(plan: Plan, layer: LayerInfo) -> dict[str, Any]:
    old = plan.flavour == "tensorrt" and plan.version.startswith("10.")
    described: dict[str, Any] = {
        "Name": layer.name,
        "LayerType": _kind(plan, layer),
        "Inputs": [_port(port, old=old) for port in layer.reads],
        "Outputs": [_port(port, old=old) for port in layer.writes],
    }
    if layer.kind in PARAMETERS and not layer.on_dla:
        described["ParameterType"] = PARAMETERS[layer.kind]
    return described | {"TacticName": "fake_tactic", "StreamId": 0, "Metadata": layer.metadata}


def _kind(plan: Plan, layer: LayerInfo) -> str:
    if layer.on_dla:
        return "DLA"
    if layer.kind == "Reformat":
        return "Reformat"
    return MYELIN.get(layer.kind, "kgen") if plan.flavour == "tensorrt_rtx" else CASK.get(layer.kind, "PointWiseV2")


def _port(port: tuple[str, tuple[int, ...], str], *, old: bool) -> dict[str, Any]:
    name, sizes, kind = port
    if old:
        form = FORMATS_10.get(kind, f"Row major linear {kind} format")
        return {"Name": name, "Location": "Device", "Dimensions": list(sizes), "Format/Datatype": form}
    order = list(reversed(range(len(sizes))))
    strides = {"Strides": _strides(sizes), "StrideOrder": order}
    return {"Name": name, "Dimensions": list(sizes), **strides, "Datatype": kind, "Format": LINEAR}


def _strides(sizes: Sequence[int]) -> list[int]:
    strides = [1]
    for size in reversed(sizes[1:]):
        strides.insert(0, strides[0] * max(size, 1))
    return strides[: len(sizes)]


def log_text(plan: Plan) -> str:
    """The layers as the builder logs them at VERBOSE severity."""
    lines = ["Layers:"]
    for layer in plan.layers:
        reads, writes = (_log_ports(ports) for ports in (layer.reads, layer.writes))
        lines.append(
            f"Name: {layer.name}_myl0, LayerType: {_kind(plan, layer)}, Inputs: [ {reads}], Constants: [], "
            f"Outputs: [ {writes}], TacticName: fake_tactic, StreamId: 0, Metadata: {layer.metadata}"
        )
    return "\n".join(lines)


def _log_ports(ports: Sequence[tuple[str, tuple[int, ...], str]]) -> str:
    texts = []
    for port in ports:
        fields = _port(port, old=False)
        words = [
            f"{k}: {json.dumps(v, separators=(',', ':')) if isinstance(v, list) else v}" for k, v in fields.items()
        ]
        texts.append("{ " + ", ".join(words) + " }")
    return ", ".join(texts)
