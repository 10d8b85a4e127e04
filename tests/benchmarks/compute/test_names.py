"""The float graph's node behind a runtime's layer, by the names that ONNX Runtime and OpenVINO give to what they made."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeneuro.benchmarks.compute.names import Names
from tests.tiny_graphs import graph_of


def chain(*, names: bool = True) -> bytes:
    """Convolution -> ReLU -> convolution, added to what came before, -> ReLU -> two products."""
    steps = [
        ("Conv", ["x", "w"], "c1"),
        ("Relu", ["c1"], "r1"),
        ("Conv", ["r1", "w"], "c2"),
        ("Add", ["c2", "x"], "sum"),
        ("Relu", ["sum"], "r2"),
        ("MatMul", ["r2", "m"], "p1"),
        ("Gemm", ["p1", "m"], "y"),
    ]
    nodes = [
        helper.make_node(kind, inputs, [output], name=f"node_{output}" if names else "")
        for kind, inputs, output in steps
    ]
    constants = {"w": np.zeros((8, 8, 1, 1), np.float32), "m": np.zeros((6, 6), np.float32)}
    return bytes(graph_of(nodes, constants).SerializeToString())


@pytest.mark.parametrize(
    ("kernel", "operator", "node"),
    [
        ("node_c1", "Conv", "node_c1"),
        ("r1_nchwc", "Conv", "node_c1"),  # the convolution took in its ReLU, and is known by that one's output
        ("r2_nchwc", "Conv", "node_c2"),  # and here an addition, too
        ("node_c1_token_12", "QLinearConv", "node_c1"),
        ("fused node_y", "FusedGemm", "node_y"),
        ("node_p1/MatMulAddFusion", "Gemm", "node_p1"),
        ("node_sum_token_3", "QLinearAdd", "node_sum"),
        ("ReorderOutput_token_3", "ReorderOutput", None),
        ("r1_nchwc", "ReorderInput", None),  # named after a tensor, but it is none of the graph's own operators
        ("Transpose", "Transpose", None),
    ],
)
def test_a_kernel_of_onnxruntime_is_traced_to_its_node(kernel: str, operator: str, node: str | None) -> None:
    assert Names(chain()).of_onnxruntime(kernel, operator) == node


@pytest.mark.parametrize(
    ("name", "originals", "node"),
    [
        ("node_c1/WithoutBiases", ["node_c1/WithoutBiases", "Multiply_9", "node_c1", "r1/Q"], "node_c1"),
        ("node_r2", ["node_sum", "node_r2"], "node_r2"),
        ("Multiply_8", ["node_sum", "Multiply_8", "node_r2"], "node_r2"),  # the last one writes the kernel's output
        ("y", ["y"], "node_y"),  # it names some layers by their output
        ("Softmax_3", ["node_p1/WithoutBiases/DequantizationMultiply", "node_y"], "node_p1 + node_y"),
        ("image_abcd_acdb_node_c1", [""], None),
        ("r1/Q", ["Convert_7", "r1/Q"], None),
    ],
)
def test_a_layer_of_openvino_is_traced_to_its_node(name: str, originals: list[str], node: str | None) -> None:
    assert Names(chain()).of_openvino(name, originals) == node


def test_a_node_without_a_name_goes_by_its_output_as_its_cost_does() -> None:
    names = Names(chain(names=False))
    assert names.of_onnxruntime("r1_nchwc", "Conv") == "c1"
    assert names.of_openvino("c2", ["c2"]) == "c2"


def test_a_node_whose_own_name_looks_like_the_runtimes_is_found() -> None:
    model = onnx.ModelProto.FromString(chain())
    model.graph.node[0].name = "stem_token_1"
    assert Names(model.SerializeToString()).of_onnxruntime("stem_token_1_token_7", "QLinearConv") == "stem_token_1"
