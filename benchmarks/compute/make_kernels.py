"""Writes the graphs that `dense` describes: python -m edgeneuro.benchmarks.compute.make_kernels

Needs the export extra.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeneuro.benchmarks.compute.dense import DENSE, Dense
from edgeneuro.files import write_bytes
from edgeneuro.spec import Array

if TYPE_CHECKING:
    import onnx

FOLDER = Path(__file__).parent / "kernels"


def kernel_graph(dense: Dense) -> onnx.ModelProto:
    """x -> the layer -> y, float32 or UINT8 on both sides, channels last.

    Every weight is 1 / (products summed by one output), so that outputs are means of inputs: numbers that neither
    saturate nor fade. The transposes stand between Q/DQ and the convolution, where both runtimes take them away; in
    front of the first DequantizeLinear they keep OpenVINO 2026.4 from computing in INT8.
    """
    from onnx import TensorProto, helper, numpy_helper

    int8, convolution = dense.precision == "int8", dense.operator == "Conv"
    outputs = dense.weights[0 if convolution else 1]
    value = outputs / prod(dense.weights)
    constants: dict[str, Array] = {"shape": np.array(dense.weights, np.int64)}
    spread = helper.make_tensor("", TensorProto.INT8 if int8 else TensorProto.FLOAT, [1], [1 if int8 else value])
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["steps" if int8 else "weights"], value=spread)]
    if int8:
        constants["step"] = np.array(value, np.float32)
        nodes.append(helper.make_node("DequantizeLinear", ["steps", "step"], ["weights"]))
    pads: dict[str, Any] = {"pads": [dense.weights[-1] // 2] * 4} if convolution else {}
    layer = [helper.make_node(dense.operator, ["", "weights"], [""], name="layer", **pads)]
    if convolution:
        first = helper.make_node("Transpose", [""], [""], perm=[0, 3, 1, 2])
        layer = [first, *layer, helper.make_node("Transpose", [""], [""], perm=[0, 2, 3, 1])]
    if int8:
        constants |= {"scale": np.array(1 / 255, np.float32), "zero": np.array(0, np.uint8)}
        pair = [helper.make_node(name, ["", "scale", "zero"], [""]) for name in ("DequantizeLinear", "QuantizeLinear")]
        layer = [pair[0], *layer, pair[1]]
    for place, node in enumerate(layer):
        node.input[0] = f"t{place}" if place else "x"
        node.output[0] = f"t{place + 1}" if node is not layer[-1] else "y"
    kind = TensorProto.UINT8 if int8 else TensorProto.FLOAT
    graph = helper.make_graph(
        [*nodes, *layer],
        dense.name,
        [helper.make_tensor_value_info("x", kind, dense.shape)],
        [helper.make_tensor_value_info("y", kind, (*dense.shape[:-1], outputs))],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def main() -> None:
    """Write every file anew."""
    FOLDER.mkdir(exist_ok=True)
    for dense in DENSE:
        write_bytes(FOLDER / dense.file, kernel_graph(dense).SerializeToString())


if __name__ == "__main__":
    main()
