"""What of a float graph may run in INT8: which nodes, which of their inputs, and the tensors whose ranges that needs."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from edgeneuro.export import graph as graphs
from edgeneuro.export.forms import FORMS, WEIGHTED, Form
from edgeneuro.spec import Array

MOVERS = ("MaxPool", "Resize", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout")
"""Operators whose output values are some of their input's, or lie between them: one range serves both sides."""

Readers = Mapping[str, list[onnx.NodeProto]]


def quantizable_nodes(model: onnx.ModelProto, form: Form) -> list[onnx.NodeProto]:
    """The nodes a plan may place for `form`, in graph order.

    Layers with constant weights; additions, products and joins of float32 tensors that are no constants; poolings.
    """
    constants = graphs.initializers(model.graph)
    makers = graphs.producers(model.graph)
    other = graphs.tensors_without_float32(model)
    return [
        node
        for node in model.graph.node
        if node.op_type in form.operators
        and other.isdisjoint(data_inputs(node))
        and _fits(node, form, constants, makers)
    ]


def _fits(
    node: onnx.NodeProto, form: Form, constants: Mapping[str, Array], makers: Mapping[str, onnx.NodeProto]
) -> bool:
    if any(name in constants for name in data_inputs(node)):
        return False
    if node.op_type in WEIGHTED:
        return node.input[1] in constants and _plain(node, constants)
    if form.skip_only and node.op_type == "Add":
        return fused_input(node, makers) is not None
    return True


def _plain(node: onnx.NodeProto, constants: Mapping[str, Array]) -> bool:
    """Of the layers with weights, those with one scale for each output channel and nothing beside the product."""
    if node.op_type == "ConvTranspose":
        return graphs.attribute(node, "group", 1) == 1
    if node.op_type == "Gemm":
        plain = (graphs.attribute(node, name, 1.0) == 1.0 for name in ("alpha", "beta"))
        return all(plain) and graphs.attribute(node, "transA", 0) == 0
    return node.op_type == "Conv" or constants[node.input[1]].ndim == 2


def data_inputs(node: onnx.NodeProto) -> list[str]:
    """The inputs that carry activations; weights, biases and sizes left out."""
    one = node.op_type in WEIGHTED or node.op_type in MOVERS
    return list(node.input[:1] if one else node.input)


def weight_axis(node: onnx.NodeProto) -> int:
    """The axis of the output channels in the weights of a layer."""
    if node.op_type == "Gemm":
        return 0 if graphs.attribute(node, "transB", 0) else 1
    return 0 if node.op_type == "Conv" else 1


def output_of(node: onnx.NodeProto, readers: Readers) -> str:
    """The tensor whose Q/DQ closes a node: behind its Relu or Clip where that is the only reader, else its own."""
    after = readers.get(node.output[0], [])
    last = after[0] if len(after) == 1 and after[0].op_type in ("Relu", "Clip") else node
    name: str = last.output[0]
    return name


def fused_input(node: onnx.NodeProto, makers: Mapping[str, onnx.NodeProto]) -> str | None:
    """Of an addition, the input made by a convolution into whose kernel the addition goes; None where there is none.

    Where both sides are convolutions, as in a block whose shortcut has one, it is the one computed last.
    """
    order = {id(maker): place for place, maker in enumerate(makers.values())}
    straight = [name for name in node.input if name in makers and makers[name].op_type in ("Conv", "ConvTranspose")]
    return max(straight, key=lambda name: order[id(makers[name])], default=None)


def origin(tensor: str, makers: Mapping[str, onnx.NodeProto]) -> str:
    """The tensor whose values `tensor` holds: upwards through operators that only move values."""
    while tensor in makers and makers[tensor].op_type in MOVERS:
        tensor = makers[tensor].input[0]
    return tensor


def tensors_needing_ranges(model: onnx.ModelProto) -> tuple[str, ...]:
    """Every tensor that some form may put Q/DQ on, whatever the placement, in graph order."""
    readers = graphs.consumers(model.graph)
    makers = graphs.producers(model.graph)
    names: dict[str, None] = {}
    for form in FORMS.values():
        for node in quantizable_nodes(model, form):
            wanted = [*data_inputs(node), *([output_of(node, readers)] if form.closes else [])]
            names.update(dict.fromkeys(origin(tensor, makers) for tensor in wanted))
    place = {name: number for number, name in enumerate([*(item.name for item in model.graph.input), *makers])}
    return tuple(sorted(names, key=place.__getitem__))
