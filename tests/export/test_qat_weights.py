"""Trained weights come back out of the export as they were trained."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs
from edgeneuro.export.onnx_export import export_onnx
from edgeneuro.export.qat_weights import Weights, check_same_graph, find_weights, with_weights
from edgeneuro.spec import Float32
from tests.export.conftest import SIDE, settled, stanet


class Mixed(nn.Module):
    """A biased layer before a norm, a norm that no layer precedes, a layer without norm, one shared order of names."""

    def __init__(self) -> None:
        super().__init__()
        self.entry_norm = nn.BatchNorm2d(1)
        self.conv = nn.Conv2d(1, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.plain = nn.Conv2d(6, 5, 1)
        self.head = nn.Linear(5, 2, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.conv(self.entry_norm(image))))
        logits: torch.Tensor = self.head(torch.relu(self.plain(x)).mean((2, 3)))
        return logits


def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {"stanet": stanet(), "mixed": settled(Mixed(), 1, SIDE)}


def found(network: nn.Module) -> tuple[onnx.ModelProto, Weights]:
    graph, _ = export_onnx(network, channels=1, height=SIDE, width=SIDE)
    return graph, find_weights(network, graph, torch.zeros(1, 1, SIDE, SIDE))


def moved(graph: onnx.ModelProto, weights: Weights) -> dict[str, Float32]:
    rng = np.random.default_rng(1)
    constants = graphs.initializers(graph.graph)
    return {
        name: constants[name] + 0.1 * rng.standard_normal(constants[name].shape).astype(np.float32)
        for name in weights.owners
    }


@pytest.mark.parametrize("name", ["stanet", "mixed"])
def test_weights_written_back_export_to_themselves_to_the_bit(name: str) -> None:
    network = networks()[name]
    graph, weights = found(network)
    values = moved(graph, weights)
    stored = with_weights(network, weights, values)
    again, _ = export_onnx(stored, channels=1, height=SIDE, width=SIDE)
    check_same_graph(graph, again, values)
    constants = graphs.initializers(again.graph)
    assert all(np.array_equal(constants[name], value) for name, value in values.items())


def test_writing_back_what_was_exported_changes_no_logit() -> None:
    network = networks()["mixed"]
    graph, weights = found(network)
    constants = graphs.initializers(graph.graph)
    stored = with_weights(network, weights, {name: constants[name] for name in weights.owners})
    frames = torch.randn(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(stored(frames), network(frames), rtol=1e-4, atol=1e-5)
    assert not torch.equal(stored.state_dict()["norm.weight"], network.state_dict()["norm.weight"])  # neutral now


def test_the_norm_behind_a_layer_owns_its_bias_and_a_norm_on_its_own_keeps_its_statistics() -> None:
    graph, weights = found(networks()["mixed"])
    assert weights.folded == {"conv": "norm"}
    bias = next(node.input[2] for node in graphs.convolutions(graph.graph) if "conv.weight" in node.input[1])
    assert weights.owners[bias] == "norm.bias"
    assert {"entry_norm.weight", "plain.weight", "plain.bias", "head.weight"} <= set(weights.owners.values())


def test_a_graph_that_differs_from_the_trained_one_is_refused_by_name() -> None:
    network = networks()["mixed"]
    graph, weights = found(network)
    values = moved(graph, weights)
    with pytest.raises(ModelFileError, match=r"constant .* with other values than were trained"):
        check_same_graph(graph, graph, values)
    other = onnx.ModelProto.FromString(graph.SerializeToString())
    other.graph.node[1].name = "renamed"
    with pytest.raises(ModelFileError, match="another graph than the one that was trained"):
        check_same_graph(graph, other, {})
