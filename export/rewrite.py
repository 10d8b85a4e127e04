"""Exact rewrites of a float graph into the forms the targets run best."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from edgeneuro.export import graph as graphs


def use_global_average_pool(model: onnx.ModelProto) -> int:
    """Replace ReduceMean over height and width by GlobalAveragePool; returns how many were replaced.

    The mean over all positions is the same either way, but ONNX Runtime and TensorRT have a pooling kernel that
    stays in the layout of a convolution. Only means of a (batch, channel, height, width) tensor over axes 2 and 3
    are touched.
    """
    graph = model.graph
    constants = graphs.initializers(graph)
    ranks = _ranks(model)
    added: list[onnx.NodeProto] = []
    replaced = [node for node in graph.node if _is_spatial_mean(node, constants, ranks)]
    for node in replaced:
        keeps = bool(graphs.attribute(node, "keepdims", 1))
        pooled = node.output[0] if keeps else f"{node.output[0]}/pooled"
        added.append(helper.make_node("GlobalAveragePool", [node.input[0]], [pooled], name=node.name))
        if not keeps:
            added.append(helper.make_node("Flatten", [pooled], [node.output[0]], name=f"{node.name}/flatten", axis=1))
    for node in replaced:
        graph.node.remove(node)
    graph.node.extend(added)
    graphs.drop_unused_initializers(graph)
    graphs.sort_nodes(graph)
    return len(replaced)


def _ranks(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model).graph
    known = [*inferred.input, *inferred.value_info, *inferred.output]
    return {item.name: len(item.type.tensor_type.shape.dim) for item in known}


def _is_spatial_mean(node: onnx.NodeProto, constants: dict[str, np.ndarray], ranks: dict[str, int]) -> bool:
    if node.op_type != "ReduceMean" or len(node.input) < 2 or node.input[1] not in constants:
        return False
    axes = {int(axis) % 4 for axis in constants[node.input[1]]}
    return axes == {2, 3} and ranks.get(node.input[0]) == 4
