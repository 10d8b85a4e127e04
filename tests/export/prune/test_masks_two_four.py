"""The 2:4 pattern: made, recognised, and kept on the way to ONNX and INT8."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from edgeneuro.calibration.ranges import Range
from edgeneuro.export.forms import FORMS
from edgeneuro.export.graph import initializers
from edgeneuro.export.lower import lower
from edgeneuro.export.onnx_export import export_onnx
from edgeneuro.export.placement_rules import placement_by_rule
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.prune.masking import choose_layers, hold, release
from edgeneuro.export.prune.masks import MaskSettings, make_masks
from edgeneuro.export.prune.two_four import follows_2_4, largest_two, layers_following_2_4
from edgeneuro.export.quantizable import tensors_needing_ranges
from edgeneuro.models.stanet import Block, conventional
from edgeneuro.spec import Float32

SIDE = 32


def by_loops(weights: Float32) -> bool:
    """As NVIDIA's documentation says it in words, one four after the other."""
    outputs, inputs, height, width = weights.shape
    return all(
        sum(weights[k, c + i, r, s] != 0 for i in range(4)) <= 2
        for k in range(outputs)
        for r in range(height)
        for s in range(width)
        for c in range(0, inputs, 4)
    )


def test_the_two_largest_of_four_input_channels_stay_whatever_their_sign() -> None:
    weights = torch.tensor([[1.0, -4.0, 2.0, 3.0, 0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 0.0, 7.0, 8.0, 1.0, -9.0, 2.0]])
    kept = largest_two(weights).int().tolist()
    assert kept == [[0, 1, 0, 1, 1, 1, 0, 0], [1, 0, 0, 1, 1, 0, 1, 0]]


def test_fours_lie_along_the_input_channels_at_each_position_of_the_kernel() -> None:
    weights = torch.randn(6, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    masked = (weights * largest_two(weights)).numpy()
    assert by_loops(masked) and follows_2_4(masked)
    assert np.count_nonzero(masked) == masked.size // 2
    transposed = np.ascontiguousarray(masked.transpose(0, 2, 3, 1))  # fours along the kernel's width would be others
    assert not follows_2_4(transposed)


@pytest.mark.parametrize("seed", range(20))
def test_the_checker_says_what_the_documented_loop_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((2, 4, 2, 1)).astype(np.float32) * (rng.random((2, 4, 2, 1)) < 0.4)
    assert follows_2_4(weights) == by_loops(weights)


def test_one_weight_too_many_breaks_the_pattern_and_so_do_channels_that_make_no_fours() -> None:
    weights = np.zeros((1, 4, 1, 1), np.float32)
    weights[0, :2] = 1.0
    assert follows_2_4(weights)
    weights[0, 3] = 1e-30
    assert not follows_2_4(weights)
    assert not follows_2_4(np.zeros((4, 6), np.float32))
    assert not follows_2_4(np.zeros(8, np.float32))


class Small(nn.Module):
    """One block of STANet with its attention."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conventional(1, 8, 2)
        self.block = Block(8, 16, 2, "soft-threshold", "both", 0.1)
        self.classifier = nn.Linear(16, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.block(self.stem(image)).mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def exported() -> tuple[onnx.ModelProto, dict[str, nn.Module], dict[str, str]]:
    """With 2:4 masks baked in, after batches of noise, some of its normalisations with a negative scale."""
    torch.manual_seed(0)
    network = Small()
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(8, 1, SIDE, SIDE))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight[::3] *= -1.5
    network.eval()
    example = torch.zeros(2, 1, SIDE, SIDE)
    layers, dense = choose_layers(network, example, fours=True)
    masks = make_masks(network, layers, MaskSettings(pattern="2:4"), example)
    release(hold(network, masks), masks)
    graph, _ = export_onnx(network, channels=1, height=SIDE, width=SIDE)
    return graph, dict(layers), dense


def test_the_pattern_survives_the_folding_of_batch_normalisation(
    exported: tuple[onnx.ModelProto, dict[str, nn.Module], dict[str, str]],
) -> None:
    graph, layers, dense = exported
    assert not any(node.op_type == "BatchNormalization" and "conv" in node.input[0] for node in graph.graph.node)
    found = layers_following_2_4(graph)
    assert sum(found.values()) == len(layers) and len(found) == len(layers) + len(dense)
    shapes = sorted(tuple(layer.get_parameter("weight").shape) for layer in layers.values())
    constants = initializers(graph.graph)
    convolutions = [node for node in graph.graph.node if node.op_type == "Conv" and found[node.name]]
    read = sorted(constants[node.input[1]].shape for node in convolutions)
    assert read == [shape for shape in shapes if len(shape) == 4]
    assert all(by_loops(constants[node.input[1]]) for node in convolutions)


def test_the_int8_graph_for_tensorrt_follows_it_in_the_same_layers(
    exported: tuple[onnx.ModelProto, dict[str, nn.Module], dict[str, str]],
) -> None:
    graph, _, _ = exported
    form = FORMS["tensorrt"]
    plan = Plan(method="made up", ranges={name: Range(-4.0, 4.0) for name in tensors_needing_ranges(graph)}, biases={})
    lowered = lower(graph, with_placement(plan, form.target, placement_by_rule(graph, form)[0]), form)
    assert any(node.op_type == "QuantizeLinear" for node in lowered.graph.node)
    before, after = layers_following_2_4(graph), layers_following_2_4(lowered)
    assert {name for name, follows in before.items() if follows} <= {name for name, follows in after.items() if follows}


def test_products_are_read_the_way_round_that_they_multiply() -> None:
    weights = np.zeros((4, 2), np.float32)
    weights[:2] = 1.0  # (input, output): two of four inputs for each output
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["a"], name="product"),
            helper.make_node("Gemm", ["x", "w"], ["b"], name="plain"),
            helper.make_node("Gemm", ["x", "turned"], ["c"], name="turned", transB=1),
            helper.make_node("Gemm", ["x", "dense"], ["d"], name="dense", transB=1),
            helper.make_node("MatMul", ["x", "x"], ["e"], name="no constant"),
        ],
        "products",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [4, 4])],
        [],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(np.ascontiguousarray(weights.T), "turned"),
            numpy_helper.from_array(np.ones((2, 4), np.float32), "dense"),
        ],
    )
    found = layers_following_2_4(helper.make_model(graph))
    assert found == {"product": True, "plain": True, "turned": True, "dense": False}


def test_zero_is_where_the_zero_point_is() -> None:
    stored = np.array([[7, 7, 9, 1], [5, 1, 5, 2]], np.uint8)
    graph = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["w", "s", "z"], ["wd"], axis=0),
            helper.make_node("Gemm", ["x", "wd"], ["y"], name="fc", transB=1),
        ],
        "quantised",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4])],
        [],
        [
            numpy_helper.from_array(stored, "w"),
            numpy_helper.from_array(np.array([0.1, 0.1], np.float32), "s"),
            numpy_helper.from_array(np.array([7, 5], np.uint8), "z"),
        ],
    )
    model = helper.make_model(graph)
    assert layers_following_2_4(model) == {"fc": True}
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(np.array([7, 6], np.uint8), "z"))
    assert layers_following_2_4(model) == {"fc": False}
