"""Small helpers for reading and editing ONNX graphs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import numpy_helper

from edgeneuro.errors import ModelFileError
from edgeneuro.spec import Array

_TYPE_CHANGING = (
    "Cast",
    "CastLike",
    "Shape",
    "Size",
    "ArgMax",
    "ArgMin",
    "NonZero",
    "Equal",
    "Greater",
    "Less",
    "Constant",
)
"""Operators that make something else of float32."""


def initializers(graph: onnx.GraphProto) -> dict[str, Array]:
    """Constant tensors of the graph by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def producers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """Tensor name -> the node that makes it."""
    return {output: node for node in graph.node for output in node.output if output}


def consumers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """Tensor name -> the nodes that read it, in graph order, each once."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in dict.fromkeys(node.input):
            if name:
                readers.setdefault(name, []).append(node)
    return readers


def convolutions(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The Conv nodes, in graph order."""
    return [node for node in graph.node if node.op_type == "Conv"]


def fully_connected(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The Gemm and MatMul nodes, in graph order."""
    return [node for node in graph.node if node.op_type in ("Gemm", "MatMul")]


def tensors_without_float32(model: onnx.ModelProto) -> frozenset[str]:
    """Tensors known to hold something else than float32: indices, sizes, conditions. Weights are not looked at."""
    graph, single = model.graph, onnx.TensorProto.FLOAT
    given = [item for item in graph.input if item.type.tensor_type.elem_type != single]
    if not given and not any(node.op_type in _TYPE_CHANGING for node in graph.node):
        return frozenset()
    bare = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    bare.graph.node.extend(graph.node)
    bare.graph.input.extend(graph.input)
    bare.graph.input.extend(
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims) for tensor in graph.initializer
    )
    inferred = onnx.shape_inference.infer_shapes(bare).graph
    known = (*graph.input, *inferred.value_info)
    return frozenset(item.name for item in known if item.type.tensor_type.elem_type != single)


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    """The value of an attribute, or `default` where the node has none of that name."""
    for item in node.attribute:
        if item.name == name:
            return onnx.helper.get_attribute_value(item)
    return default


def add_constant(graph: onnx.GraphProto, name: str, value: Array) -> str:
    """Append an initializer and return its name."""
    graph.initializer.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
    return name


def sort_nodes(graph: onnx.GraphProto) -> None:
    """Put the nodes into topological order, keeping the present order where it is free.

    Depth-first over the producers of each node's inputs; editing functions append nodes anywhere and call this.
    Raises ModelFileError where nodes wait for each other in a circle.
    """
    makers = producers(graph)
    ordered: list[onnx.NodeProto] = []
    placed: set[int] = set()
    waiting_for: set[int] = set()
    for root in graph.node:
        stack: list[tuple[onnx.NodeProto, bool]] = [(root, False)]
        while stack:
            node, inputs_done = stack.pop()
            if id(node) in placed:
                continue
            if inputs_done:
                placed.add(id(node))
                ordered.append(node)
                continue
            if id(node) in waiting_for:
                raise ModelFileError(
                    f"graph: node {node.name!r} reads what is made from its own output; export it again"
                )
            waiting_for.add(id(node))
            stack.append((node, True))
            waiting = (makers[name] for name in node.input if name in makers)
            stack.extend((maker, False) for maker in waiting if id(maker) not in placed)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)


def remove_initializers(graph: onnx.GraphProto, names: Iterable[str]) -> None:
    """Delete initializers by name."""
    gone = set(names)
    kept = [tensor for tensor in graph.initializer if tensor.name not in gone]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def drop_unused_initializers(graph: onnx.GraphProto) -> None:
    """Delete constants that no node reads and that are no output."""
    used = {name for node in graph.node for name in node.input} | {item.name for item in graph.output}
    remove_initializers(graph, [tensor.name for tensor in graph.initializer if tensor.name not in used])
