"""What a graph costs, layer by layer: worked out by hand, and as torch counts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from edgeneuro.benchmarks.nets import NETS
from edgeneuro.benchmarks.trained_nets import build_net
from edgeneuro.errors import ModelFileError
from edgeneuro.export.compute import compute_of, layer_costs, parameters
from edgeneuro.export.onnx_export import export_onnx
from edgeneuro.manifest import LayerCost
from edgeneuro.models.build import build_model


def graph_of(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, tuple[int, ...]],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str] = ("y",),
) -> onnx.ModelProto:
    """float32 throughout; constants: name -> shape."""
    graph = helper.make_graph(
        nodes,
        "counted",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def one(
    operator: str, weight: tuple[int, ...], shape: Sequence[int | str], *, bias: int = 0, **attributes: Any
) -> LayerCost:
    """The cost of a single layer x -> y."""
    constants = {"w": weight} | ({"b": (bias,)} if bias else {})
    node = helper.make_node(operator, ["x", *constants], ["y"], name="layer", **attributes)
    (cost,) = layer_costs(graph_of([node], constants, {"x": shape}))
    return cost


def test_a_convolution_costs_every_output_times_its_kernel() -> None:
    cost = one("Conv", (8, 4, 3, 3), ("batch", 4, 10, 10), bias=8)
    assert cost == LayerCost(
        name="layer",
        operator="Conv",
        params=8 * 4 * 9 + 8,
        macs=8 * 8 * 8 * 4 * 9,  # 8 planes of 8 x 8, each of 4 x 3 x 3 products; a bias is no product
        weight_elements=8 * 4 * 9 + 8,
        input_elements=4 * 10 * 10,
        output_elements=8 * 8 * 8,
    )


def test_groups_dilation_and_stride_of_a_convolution_are_counted() -> None:
    assert one("Conv", (8, 1, 3, 3), (1, 8, 10, 10), group=8, pads=[1] * 4).macs == 8 * 100 * 9
    assert one("Conv", (8, 2, 3, 3), (1, 4, 10, 10), group=2, pads=[1] * 4).macs == 8 * 100 * 2 * 9
    assert one("Conv", (8, 4, 3, 3), (1, 4, 10, 10), dilations=[2, 2]).macs == 8 * 6 * 6 * 4 * 9
    assert one("Conv", (8, 4, 3, 3), (1, 4, 11, 11), strides=[2, 2]).macs == 8 * 5 * 5 * 4 * 9


def test_a_transposed_convolution_costs_every_input_times_its_kernel() -> None:
    cost = one("ConvTranspose", (4, 8, 2, 2), ("batch", 4, 10, 10), strides=[2, 2])
    assert cost.macs == 4 * 100 * 8 * 4
    assert cost.output_elements == 8 * 20 * 20
    assert one("ConvTranspose", (4, 2, 3, 3), (1, 4, 10, 10), group=2, strides=[2, 2]).macs == 4 * 100 * 2 * 9


def test_products_cost_rows_times_inner_times_columns() -> None:
    assert one("Gemm", (6, 5), (1, 6)).macs == 6 * 5
    assert one("Gemm", (5, 6), (1, 6), transB=1).macs == 6 * 5
    assert one("Gemm", (6, 5), (6, 3), transA=1).macs == 3 * 6 * 5
    assert one("MatMul", (6, 5), (1, 7, 3, 6)).macs == 7 * 3 * 6 * 5


def test_a_product_of_two_activations_has_no_weights() -> None:
    node = helper.make_node("MatMul", ["a", "b"], ["y"], name="attention")
    (cost,) = layer_costs(graph_of([node], {}, {"a": ("batch", 2, 3, 4), "b": ("batch", 2, 4, 5)}))
    assert (cost.macs, cost.params, cost.weight_elements) == (2 * 3 * 4 * 5, 0, 0)
    assert (cost.input_elements, cost.output_elements) == (2 * 3 * 4 + 2 * 4 * 5, 2 * 3 * 5)


def test_what_only_moves_or_compares_values_has_elements_and_no_macs_and_a_change_of_shape_is_no_layer() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="relu"),
        helper.make_node("Concat", ["r", "x"], ["c"], name="cat", axis=1),
        helper.make_node("Add", ["c", "c"], ["a"], name="double"),
        helper.make_node("MaxPool", ["a"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["y"], name="flat"),
    ]
    costs = layer_costs(graph_of(nodes, {}, {"x": ("batch", 4, 8, 8)}))
    assert [(cost.name, cost.macs, cost.input_elements, cost.output_elements) for cost in costs] == [
        ("relu", 0, 256, 256),
        ("cat", 0, 512, 512),
        ("double", 0, 512, 512),  # one tensor, read twice at a time
        ("pool", 0, 512, 128),
    ]


def test_sizes_worked_out_on_the_way_are_no_layers() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Concat", ["s", "s"], ["s2"], axis=0),
        helper.make_node("Relu", ["x"], ["y"]),
    ]
    (cost,) = layer_costs(graph_of(nodes, {}, {"x": (1, 4)}))
    assert (cost.operator, cost.name) == ("Relu", "y")  # a node without a name goes by its output


def test_shared_weights_are_parameters_once_and_read_twice() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], name="first"),
        helper.make_node("MatMul", ["m", "w"], ["y"], name="second"),
    ]
    model = graph_of(nodes, {"w": (4, 4)}, {"x": (1, 4)})
    assert [cost.params for cost in layer_costs(model)] == [16, 0]
    assert [cost.weight_elements for cost in layer_costs(model)] == [16, 16]
    assert parameters(model) == 16


def test_of_batch_normalisation_scale_and_shift_are_parameters_and_all_four_are_read() -> None:
    norm = {name: (4,) for name in ("scale", "shift", "mean", "variance")}
    node = helper.make_node("BatchNormalization", ["x", *norm], ["y"], name="norm")
    (cost,) = layer_costs(graph_of([node], norm, {"x": (1, 4, 2, 2)}))
    assert (cost.params, cost.weight_elements) == (8, 16)


def test_a_layer_of_unknown_shape_is_named() -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["n"]),
        helper.make_node("Cast", ["n"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["f", "w"], ["y"], name="product"),
    ]
    with pytest.raises(ModelFileError, match=r"MatMul 'product': the shape of 'f' is unknown; export fixed sizes"):
        layer_costs(graph_of(nodes, {"w": (4, 4)}, {"x": (1, 4)}))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "myositis": (lambda: build_model("myositis", classes=4, channels=1), (1, 224, 224)),
    "resnet18": (lambda: NETS["resnet18"](7, 3), (3, 112, 112)),
    "unet": (lambda: NETS["unet"](1, 1), (1, 64, 64)),
    "lite0": (lambda: build_net("lite0", classes=7, channels=3), (3, 128, 128)),
}


def flops(network: nn.Module, shape: tuple[int, int, int], device: str) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *shape, device=device))
    return int(counter.get_total_flops())


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_costs_what_torch_counts(name: str) -> None:
    build, shape = NETWORKS[name]
    network = build().eval()
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.bias)  # as after training: the exporter drops zeros, and keeps equal ones once
    channels, height, width = shape
    graph, compute = export_onnx(network, channels=channels, height=height, width=width)
    assert 2 * compute.macs == flops(network, shape, "cpu")
    assert compute.macs == sum(layer.macs for layer in compute.layers)
    assert len({layer.name for layer in compute.layers}) == len(compute.layers)
    learnt = sum(layer.params for layer in compute.layers)
    shifts = sum(norm.weight.numel() for norm in norms)
    assert parameters(graph) == learnt == compute.params - shifts  # of scale and shift, the biases are left
    assert compute_of(graph).layers == compute.layers


def test_the_dual_network_costs_what_torch_counts() -> None:
    with torch.device("meta"):
        network = build_model("myositis-dual", classes=4, channels=3).eval()
    assert flops(network, (3, 224, 224), "meta") == 2 * 34_856_764_416  # as test_onnx_export counts its exported graph


def test_counting_leaves_the_graph_as_it_was() -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="layer")
    model = graph_of([node], {"w": (2, 4, 1, 1)}, {"x": ("batch", 4, 5, 5)})
    before = model.SerializeToString()
    assert layer_costs(model)[0].output_elements == prod((2, 5, 5))
    assert model.SerializeToString() == before


@pytest.mark.parametrize(
    ("name", "sides", "params", "giga_macs"),
    [("segmentation-2d", (256, 256), 503_969, 2.43), ("segmentation-3d", (64, 64, 64), 1_422_785, 14.32)],
)
def test_the_exported_reference_networks_cost_what_the_table_says(
    name: str, sides: tuple[int, ...], params: int, giga_macs: float
) -> None:
    depth = sides[0] if len(sides) == 3 else None
    _, compute = export_onnx(
        build_model(name, classes=2, channels=1), channels=1, height=sides[-2], width=sides[-1], depth=depth
    )
    assert compute.params == params
    assert round(compute.macs / 1e9, 2) == giga_macs
