"""Which nodes of a graph stay in float32 when the rest is written in FP16, and why."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import onnx
from onnx import TensorProto, defs

from edgeneuro.export import graph as graphs
from edgeneuro.export.forms import WEIGHTED
from edgeneuro.spec import Array

LARGEST = 65504.0
"""The largest finite FP16 number."""

_PRECISION = 2.0**-10
"""Relative error beyond which FP16 does not hold a constant. Its normal numbers round within 2^-11; those below 6.1e-5
are subnormal and lose bits, those below 3e-8 are 0."""

_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
_COUNTS = (TensorProto.INT64, TensorProto.INT32, TensorProto.UINT64, TensorProto.UINT32)


class FloatTypes:
    """The element types of a graph, and what ONNX allows each of its nodes."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.opset = opset_of(model)
        self.constants = graphs.initializers(model.graph)
        bare: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
        del bare.graph.value_info[:]
        known = onnx.shape_inference.infer_shapes(bare).graph
        self._types = {item.name: item.type.tensor_type.elem_type for item in [*known.value_info, *known.output]}
        self._types |= {item.name: item.type.tensor_type.elem_type for item in known.input}
        self._types |= {tensor.name: tensor.data_type for tensor in known.initializer}

    def is_float(self, tensor: str) -> bool:
        """Whether a tensor is float32 in the graph as it was given."""
        return self._types.get(tensor) == TensorProto.FLOAT

    def counts(self, tensor: str) -> bool:
        """Whether a tensor holds integers of 32 or 64 bits."""
        return self._types.get(tensor) in _COUNTS

    def takes_half(self, node: onnx.NodeProto, position: int) -> bool:
        """Whether ONNX allows FP16 at this input; Resize's scales are always float32, for example."""
        schema = self.schema(node)
        return schema is not None and _allows_half(schema.inputs, position)

    def gives_half(self, node: onnx.NodeProto, position: int) -> bool:
        """Whether ONNX allows FP16 at this output."""
        schema = self.schema(node)
        return schema is not None and _allows_half(schema.outputs, position)

    def schema(self, node: onnx.NodeProto) -> defs.OpSchema | None:
        """ONNX's definition of the operator, None where it is somebody else's."""
        try:
            return defs.get_schema(node.op_type, self.opset, node.domain)
        except defs.SchemaError:
            return None


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the standard operators, 0 where none is imported."""
    return next((int(item.version) for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)


def kept_in_float32(model: onnx.ModelProto, types: FloatTypes, asked: Collection[str]) -> dict[int, str]:
    """Position of each node that stays in float32 -> why. asked: names of nodes, whatever else holds."""
    graph = model.graph
    seen = _made_from_inputs(graph)
    kept: dict[int, str] = {}
    for position, node in enumerate(graph.node):
        reason = "asked for" if node.name in asked else _reason(node, types, seen)
        if reason:
            kept[position] = reason
    return kept | _quantizers_beside(graph, kept)


def holds(values: Array, *, each: bool = False) -> bool:
    """Whether FP16 holds `values` to 2^-10: their norm, or with `each` every one of them."""
    finite = np.asarray(values, np.float64)[np.isfinite(values)]
    if np.any(np.abs(finite) > LARGEST):
        return False
    error = finite - finite.astype(np.float16).astype(np.float64)
    if each:
        return bool(np.all(np.abs(error) <= _PRECISION * np.abs(finite)))
    return bool(np.linalg.norm(error) <= _PRECISION * np.linalg.norm(finite))


def _allows_half(parameters: Sequence[defs.OpSchema.FormalParameter], position: int) -> bool:
    """Positions beyond the last belong to it, as Concat's inputs do."""
    return "tensor(float16)" in parameters[min(position, len(parameters) - 1)].types


def _made_from_inputs(graph: onnx.GraphProto) -> set[str]:
    """Tensors whose values, not only whose shape, depend on the graph's inputs."""
    seen = {item.name for item in graph.input}
    for node in graph.node:
        if node.op_type not in ("Shape", "Size") and seen.intersection(node.input):
            seen.update(node.output)
    return seen


def _reason(node: onnx.NodeProto, types: FloatTypes, seen: set[str]) -> str:
    """Why a node must stay in float32, "" where it need not."""
    if types.schema(node) is None or graphs.attribute(node, "dtype") is not None:
        return "its definition has no FP16"
    if node.op_type == "Cast" and types.counts(node.input[0]):
        return "counts need not fit into FP16"
    if node.op_type != "DequantizeLinear" and not seen.intersection(node.input):
        return "it works on shapes and constants"
    lost = (
        name
        for position, name in enumerate(node.input)
        if types.is_float(name)
        and name in types.constants
        and types.takes_half(node, position)
        and not _fits(node, position, types.constants[name])
    )
    return next((f"FP16 does not hold its constant {name!r}" for name in lost), "")


def _fits(node: onnx.NodeProto, position: int, values: Array) -> bool:
    """Whether FP16 holds a constant as well as its place needs it."""
    if node.op_type in WEIGHTED and position == 2:  # a bias too small for FP16 is nothing beside the product
        return bool(np.all(np.abs(values) <= LARGEST))
    return holds(values, each=node.op_type in _QUANTIZERS)


def _quantizers_beside(graph: onnx.GraphProto, kept: Collection[int]) -> dict[int, str]:
    """QuantizeLinear behind a kept node, and DequantizeLinear before kept nodes only: no Cast in between."""
    from_kept = {name for position in kept for name in graph.node[position].output}
    to_half = {name for position, node in enumerate(graph.node) if position not in kept for name in node.input}
    read = {name for node in graph.node for name in node.input}
    beside = {
        position
        for position, node in enumerate(graph.node)
        if (node.op_type == "QuantizeLinear" and node.input[0] in from_kept)
        or (node.op_type == "DequantizeLinear" and node.output[0] in read - to_half)
    }
    return {position: "its neighbour stays in float32" for position in beside - set(kept)}
