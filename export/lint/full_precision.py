"""FP16 graphs in FP32, which the writer starts from."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.export import graph as graphs

HALF = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def to_full_precision(model: onnx.ModelProto) -> tuple[onnx.ModelProto, bool]:
    """A copy with every FP16 tensor inside it as FP32, and whether there was one. Inputs and outputs keep their types.

    Casts between the two go, so that Q/DQ meet their layers again.
    """
    copied: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    graph = copied.graph
    halves = [tensor for tensor in graph.initializer if tensor.data_type in HALF]
    casts = [node for node in graph.node if node.op_type == "Cast" and graphs.attribute(node, "to") in HALF]
    ends = [item for item in (*graph.input, *graph.output) if item.type.tensor_type.elem_type in HALF]
    if not (halves or casts or ends):
        return copied, False
    for tensor in halves:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    for node in graph.node:
        for item in node.attribute:
            if item.t.data_type in HALF:
                item.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item.t).astype(np.float32)))
    for node in casts:
        next(item for item in node.attribute if item.name == "to").i = TensorProto.FLOAT
    del graph.value_info[:]
    _cast_ends(graph)
    _drop_idle_casts(copied)
    return copied, True


def _cast_ends(graph: onnx.GraphProto) -> None:
    """FP16 inputs are widened behind, FP16 outputs narrowed in front of their names."""
    for item in graph.input:
        if item.type.tensor_type.elem_type in HALF:
            inner = f"{item.name}/single"
            for node in graph.node:
                node.input[:] = [inner if name == item.name else name for name in node.input]
            cast = helper.make_node("Cast", [item.name], [inner], name=inner, to=TensorProto.FLOAT)
            graph.node.insert(0, cast)
    for item in graph.output:
        kind = item.type.tensor_type.elem_type
        if kind in HALF:
            inner = f"{item.name}/single"
            for node in graph.node:
                node.input[:] = [inner if name == item.name else name for name in node.input]
                node.output[:] = [inner if name == item.name else name for name in node.output]
            graph.node.append(helper.make_node("Cast", [inner], [item.name], name=inner, to=kind))


def _drop_idle_casts(model: onnx.ModelProto) -> None:
    """Casts from FP32 to FP32 go; their readers read what they read."""
    graph = model.graph
    inferred = onnx.shape_inference.infer_shapes(model).graph
    known = {item.name: item.type.tensor_type.elem_type for item in (*inferred.input, *inferred.value_info)}
    known |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    outputs = {item.name for item in graph.output}
    idle = [
        node
        for node in graph.node
        if node.op_type == "Cast"
        and graphs.attribute(node, "to") == TensorProto.FLOAT
        and known.get(node.input[0]) == TensorProto.FLOAT
        and node.output[0] not in outputs
    ]
    names: dict[str, str] = {}
    for node in idle:
        names[node.output[0]] = names.get(node.input[0], node.input[0])
    for node in idle:
        graph.node.remove(node)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
