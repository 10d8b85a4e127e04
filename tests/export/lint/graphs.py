"""Small Q/DQ graphs, right for one target or wrong in one place."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.spec import Array

SIDE = 8
S8, U8 = np.int8(0), np.uint8(128)
"""Zero points of symmetric activations, signed and unsigned."""


class Builder:
    """A graph in the making over input x, (1, channels, SIDE, SIDE) float32; every method returns a tensor's name."""

    def __init__(self, *, channels: int = 16, opset: int = 20, seed: int = 0) -> None:
        self.channels = channels
        self.opset = opset
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self.infos: list[onnx.ValueInfoProto] = []

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{kind.lower()}_{output}", **attributes))
        return output

    def pair(self, tensor: str, scale: Any = 0.05, zero_point: Any = S8, **attributes: Any) -> str:
        """Q/DQ behind `tensor`."""
        scale = scale if isinstance(scale, np.ndarray) else np.float32(scale)
        count = sum(node.op_type == "QuantizeLinear" and node.input[0] == tensor for node in self.nodes)
        name = f"{tensor}.q{count}"
        inputs = [self.constant(f"{name}/scale", scale), self.constant(f"{name}/zero_point", zero_point)]
        self.node("QuantizeLinear", [tensor, *inputs], name, **attributes)
        return self.node("DequantizeLinear", [name, *inputs], f"{name}/d", **attributes)

    def stored(self, name: str, steps: Array, scale: Any, zero_point: Any = None, **attributes: Any) -> str:
        """Integers in the file and their DequantizeLinear."""
        scale = np.asarray(scale, np.float32)
        zero_point = np.zeros(scale.shape, steps.dtype) if zero_point is None else zero_point
        inputs = [
            self.constant(f"{name}/steps", steps),
            self.constant(f"{name}/scale", scale),
            self.constant(f"{name}/zero", zero_point),
        ]
        return self.node("DequantizeLinear", inputs, name, **attributes)

    def steps(self, *shape: int, largest: int = 127) -> Array:
        steps: Array = self.rng.integers(-largest, largest + 1, shape).astype(np.int8)
        return steps

    def layer(
        self,
        tensor: str,
        output: str,
        *,
        kind: str = "Conv",
        shape: tuple[int, ...] = (16, 16, 3, 3),
        weights: str | None = None,
        bias: str | None = None,
        **attributes: Any,
    ) -> str:
        """A convolution over `tensor` with stored INT8 weights, one scale for each output channel."""
        if kind == "Conv":
            attributes.setdefault("pads", [shape[2] // 2, shape[3] // 2] * 2)
        if weights is None:
            axis = 0 if kind == "Conv" else 1
            scales = self.rng.uniform(0.001, 0.003, shape[axis])
            weights = self.stored(f"{output}/weight", self.steps(*shape), scales, axis=axis)
        return self.node(kind, [tensor, weights, *([bias] if bias else [])], output, **attributes)

    def model(self, *outputs: str) -> onnx.ModelProto:
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", self.channels, SIDE, SIDE])]
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", "c", "h", "w"]) for name in outputs]
        graph = helper.make_graph(self.nodes, "net", inputs, ends, self.constants, value_info=self.infos)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)
        onnx.checker.check_model(model)
        return model


def for_tensorrt() -> onnx.ModelProto:
    """conv, relu, conv as TensorRT wants them: INT8, zero point 0, on inputs only."""
    net = Builder()
    a = net.node("Relu", [net.layer(net.pair("x"), "a")], "ar")
    return net.model(net.layer(net.pair(a), "y"))


def for_onnxruntime(zero_point: Any = U8, *, largest: int = 127, relu: bool = True) -> onnx.ModelProto:
    """The same with Q/DQ on both sides and INT32 biases. zero_point: of every activation but the ReLU's."""
    net = Builder()

    def layer(tensor: str, output: str) -> str:
        weights = net.stored(f"{output}/w", net.steps(16, 16, 3, 3, largest=largest), np.full(16, 0.002), axis=0)
        bias = net.stored(f"{output}/b", net.rng.integers(-900, 900, 16).astype(np.int32), np.full(16, 1e-4), axis=0)
        return net.layer(tensor, output, weights=weights, bias=bias)

    a = layer(net.pair("x", zero_point=zero_point), "a")
    if relu:
        lowest = zero_point.dtype.type(np.iinfo(zero_point.dtype).min)
        a = net.pair(net.node("Relu", [a], "ar"), zero_point=lowest)
    else:
        a = net.pair(a, zero_point=zero_point)
    return net.model(net.pair(layer(a, "b"), zero_point=zero_point))
