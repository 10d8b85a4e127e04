"""Exact rewrites of a float graph into the forms the targets run best."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import helper

from edgeneuro.export import graph as graphs

RESHAPING = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze")
"""Operators that give the values of their first input, in the same order."""


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


def drop_final_softmax(model: onnx.ModelProto) -> bool:
    """Take off the Softmax or LogSoftmax over the classes that ends a classifier; returns whether there was one.

    Engines apply softmax to the logits, and a second one would flatten the probabilities: from (1, 0) to (0.73, 0.27).
    Of LogSoftmax the softmax is the same as that of the logits.
    """
    last = final_node(model)
    if last is None or graphs.attribute(last, "axis", -1) not in (-1, 1):
        return False
    return drop_final(model, ("Softmax", "LogSoftmax"))


def final_node(model: onnx.ModelProto) -> onnx.NodeProto | None:
    """The node that computes the values of the first output: the last but for those that only give them another shape.
    None where the output is an input or a constant, or where another node or output needs values on the way."""
    graph = model.graph
    makers, readers = graphs.producers(graph), graphs.consumers(graph)
    outputs = [item.name for item in graph.output]
    name = outputs[0]
    while name in makers and not readers.get(name, [])[1:] and (name == outputs[0]) == (name not in readers):
        node = makers[name]
        if node.op_type not in RESHAPING:
            return node
        name = node.input[0]
    return None


def drop_final(model: onnx.ModelProto, operators: Collection[str]) -> bool:
    """Take off the `final_node` if it is of one of these kinds and has one input; returns whether there was one. Names of
    the outputs stay."""
    graph = model.graph
    makers = graphs.producers(graph)
    last = final_node(model)
    if last is None or last.op_type not in operators or last.input[0] not in makers:
        return False
    _bypass(graph, last)
    return True


def without_identity(model: onnx.ModelProto, output: str) -> None:
    """Let the node that computes `output` give it by that name, where an Identity stands between; its other readers too."""
    graph = model.graph
    makers = graphs.producers(graph)
    ends = {item.name for item in graph.output}
    last = makers.get(output)
    if last is not None and last.op_type == "Identity" and last.input[0] in makers.keys() - ends:
        _bypass(graph, last)


def _bypass(graph: onnx.GraphProto, last: onnx.NodeProto) -> None:
    """Take off a node with one input, whose readers read that; the name of an output of the network stays."""
    before, after = last.input[0], last.output[0]
    kept, gone = (after, before) if after in {item.name for item in graph.output} else (before, after)
    graph.node.remove(last)
    for node in graph.node:
        node.input[:] = [kept if name == gone else name for name in node.input]
        node.output[:] = [kept if name == gone else name for name in node.output]


def _ranks(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model).graph
    known = [*inferred.input, *inferred.value_info, *inferred.output]
    return {item.name: len(item.type.tensor_type.shape.dim) for item in known}


def _is_spatial_mean(node: onnx.NodeProto, constants: dict[str, np.ndarray], ranks: dict[str, int]) -> bool:
    if node.op_type != "ReduceMean" or len(node.input) < 2 or node.input[1] not in constants:
        return False
    axes = {int(axis) % 4 for axis in constants[node.input[1]]}
    return axes == {2, 3} and ranks.get(node.input[0]) == 4
