"""Graphs of a few nodes, written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.spec import Array

SHAPE = ("batch", 8, 6, 6)
"""Of `x` and `y` in every graph here."""


def graph_of(nodes: Sequence[onnx.NodeProto], constants: Mapping[str, Array], *, opset: int = 20) -> onnx.ModelProto:
    """x -> y through `nodes`, float32."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, SHAPE)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def quantized_convolution(zero_point: Array | None, *, scale: float = 0.02) -> onnx.ModelProto:
    """x -> Q -> DQ -> 1 x 1 convolution with the identity matrix in INT8 (steps of 1/127) -> y.

    zero_point: of the activations, None leaves it out. So y is x rounded and clipped by Q/DQ, channel by channel.
    """
    parameters = ["scale"] if zero_point is None else ["scale", "zero"]
    weights = (127 * np.eye(8)).astype(np.int8)[:, :, None, None]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", *parameters], ["q"], name="Q"),
        helper.make_node("DequantizeLinear", ["q", *parameters], ["d"], name="DQ"),
        helper.make_node("DequantizeLinear", ["steps", "step", "none"], ["weight"], name="weight/DQ", axis=0),
        helper.make_node("Conv", ["d", "weight"], ["y"], name="conv"),
    ]
    constants: dict[str, Array] = {
        "scale": np.array(scale, np.float32),
        "steps": weights,
        "step": np.full(8, 1 / 127, np.float32),
        "none": np.zeros(8, np.int8),
    }
    return graph_of(nodes, constants if zero_point is None else constants | {"zero": zero_point})


def positive_frame() -> Array:
    """(1, 8, 6, 6) float32, evenly spread over 0 to 5.1: with a scale of 0.02 exactly the 255 steps of UINT8."""
    values: Array = np.linspace(0, 5.1, 8 * 36, dtype=np.float32).reshape(1, 8, 6, 6)
    return values
