"""A float or Q/DQ graph written in FP16, for runtimes that compute in the type the graph says (strongly typed).

onnxconverter_common.float16 does this for float graphs, but not for Q/DQ graphs with nodes that stay in float32: a
constant that a kept and a converted node share gets one type (the scale of a Q/DQ pair), Resize's scales and Casts
inside come out with types ONNX forbids, and constants below 1e-7 are raised to it. Hence a pass of our own, which
follows the types that ONNX's definition of each operator allows.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs
from edgeneuro.export.fp16_keep import LARGEST, FloatTypes, kept_in_float32, opset_of

log = logging.getLogger("edgeneuro")

HEADROOM = 16.0
"""An activation seen in calibration may be this much larger on another frame before FP16 overflows."""

_FIRST_OPSET = 19
"""From here on QuantizeLinear and DequantizeLinear take FP16 scales."""


def to_half(model: onnx.ModelProto, *, keep_float32: Collection[str] = ()) -> onnx.ModelProto:
    """A copy of `model` that computes in FP16 between its float32 inputs and outputs.

    keep_float32: names of nodes that stay in float32, with Casts around them. Also kept: operators that ONNX does not
    define for FP16, nodes with a constant that FP16 cannot hold, arithmetic on shapes. INT8 constants are not touched:
    DequantizeLinear gives FP16 because its scale is FP16. A kept convolution alone between two Casts, TensorRT-RTX 1.7
    narrows to FP16 all the same: keep its neighbours too, as `overflowing_nodes` does.
    Raises ModelFileError: an opset without FP16 scales, a name that is no node, a subgraph.
    """
    _check(model, keep_float32)
    halved: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    _fold_constant_nodes(halved.graph)
    types = FloatTypes(halved)
    kept = kept_in_float32(halved, types, keep_float32)
    for position, reason in kept.items():
        node = halved.graph.node[position]
        log.info("%s %r stays in float32: %s", node.op_type, node.name, reason)
    writer = _Writer(halved.graph, types)
    for position, node in enumerate(list(halved.graph.node)):
        writer.rewrite(node, half=position not in kept)
    graphs.drop_unused_initializers(halved.graph)
    graphs.sort_nodes(halved.graph)
    del halved.graph.value_info[:]
    onnx.checker.check_model(halved, full_check=True)
    return halved


def overflowing_nodes(model: onnx.ModelProto, ranges: Mapping[str, Range]) -> tuple[str, ...]:
    """Names of the nodes that make or read a tensor which comes within HEADROOM of what FP16 can hold.

    ranges: tensor -> values seen in calibration; a tensor without a range is taken to fit.
    """
    limit = LARGEST / HEADROOM
    wide = {name for name, seen in ranges.items() if max(abs(seen.low), abs(seen.high)) > limit}
    return tuple(node.name for node in model.graph.node if wide.intersection((*node.input, *node.output)))


class _Writer:
    """Gives every tensor the type its reader wants, each conversion once."""

    def __init__(self, graph: onnx.GraphProto, types: FloatTypes) -> None:
        self.graph = graph
        self.types = types
        self.outputs = {item.name for item in graph.output}
        self.half: dict[str, str] = {}  # float32 tensor of the given graph -> its name in FP16
        self.only_half: set[str] = set()  # made in FP16, and not cast back so far

    def rewrite(self, node: onnx.NodeProto, *, half: bool) -> None:
        """Let a node read and make FP16 wherever ONNX allows it, or, with half=False, float32."""
        for position, name in enumerate(node.input):
            if self.types.is_float(name):
                wanted = half and self.types.takes_half(node, position)
                node.input[position] = self._as_half(name) if wanted else self._as_full(name)
        if not half:
            return
        for position, name in enumerate(node.output):
            if self.types.is_float(name) and self.types.gives_half(node, position):
                self._make_half(node, position)
        for item in node.attribute:
            if node.op_type == "Cast" and item.name == "to" and item.i == TensorProto.FLOAT:
                item.i = TensorProto.FLOAT16

    def _make_half(self, node: onnx.NodeProto, position: int) -> None:
        name = node.output[position]
        self.half[name] = f"{name}/fp16"
        node.output[position] = self.half[name]
        self.only_half.add(name)
        if name in self.outputs:
            self._as_full(name)

    def _as_half(self, name: str) -> str:
        if name not in self.half:
            self.half[name] = f"{name}/fp16"
            if name in self.types.constants:
                values = self.types.constants[name].astype(np.float16)
                graphs.add_constant(self.graph, self.half[name], values)
            else:
                self._cast(name, self.half[name], TensorProto.FLOAT16)
        return self.half[name]

    def _as_full(self, name: str) -> str:
        if name in self.only_half:
            self.only_half.remove(name)
            self._cast(self.half[name], name, TensorProto.FLOAT)
        return name

    def _cast(self, source: str, target: str, kind: int) -> None:
        self.graph.node.append(helper.make_node("Cast", [source], [target], name=f"{target}/cast", to=kind))


def _check(model: onnx.ModelProto, keep_float32: Collection[str]) -> None:
    nodes = model.graph.node
    opset = opset_of(model)
    if opset < _FIRST_OPSET:
        raise ModelFileError(f"graph: has opset {opset}, FP16 needs {_FIRST_OPSET} or later; convert it to 20")
    unknown = sorted(set(keep_float32) - {node.name for node in nodes})
    if unknown:
        raise ModelFileError(f"node {unknown[0]!r}: is not in the graph, so it cannot be kept in float32")
    inner = [node for node in nodes for item in node.attribute if item.type in (item.GRAPH, item.GRAPHS)]
    if inner:
        raise ModelFileError(
            f"{inner[0].op_type} {inner[0].name!r}: holds a subgraph, which is not written in FP16; "
            "export the model without control flow, or keep it in fp32"
        )


def _fold_constant_nodes(graph: onnx.GraphProto) -> None:
    """Constant nodes that hold a tensor become initializers."""
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        value = graphs.attribute(node, "value")
        if isinstance(value, TensorProto):
            graphs.add_constant(graph, node.output[0], numpy_helper.to_array(value))
            graph.node.remove(node)
