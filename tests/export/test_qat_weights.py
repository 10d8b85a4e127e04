"""Trained weights come back out of the export as they were trained."""

from dataclasses import dataclass

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
from tests.export.conftest import SIDE, settled


class Mixed(nn.Module):
    """A norm that no layer precedes, a biased layer before a norm, one without bias, a layer without norm."""

    def __init__(self) -> None:
        super().__init__()
        self.entry_norm = nn.BatchNorm2d(1)
        self.conv = nn.Conv2d(1, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.bare = nn.Conv2d(6, 6, 1, bias=False)
        self.bare_norm = nn.BatchNorm2d(6)
        self.plain = nn.Conv2d(6, 5, 1)
        self.head = nn.Linear(5, 2, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.conv(self.entry_norm(image))))
        x = torch.relu(self.bare_norm(self.bare(x)))
        logits: torch.Tensor = self.head(torch.relu(self.plain(x)).mean((2, 3)))
        return logits


@dataclass(frozen=True)
class Found:
    network: nn.Module
    graph: onnx.ModelProto
    weights: Weights


@pytest.fixture(scope="module")
def mixed() -> Found:
    torch.manual_seed(0)
    return found(settled(Mixed(), 1, SIDE))


def found(network: nn.Module) -> Found:
    graph, _ = export_onnx(network, channels=1, height=SIDE, width=SIDE)
    return Found(network, graph, find_weights(network, graph, torch.zeros(1, 1, SIDE, SIDE)))


def moved(mixed: Found) -> dict[str, Float32]:
    """Other weights than the graph's."""
    rng = np.random.default_rng(1)
    constants = graphs.initializers(mixed.graph.graph)
    return {
        name: constants[name] + 0.1 * rng.standard_normal(constants[name].shape).astype(np.float32)
        for name in mixed.weights.owners
    }


def test_weights_written_back_export_to_themselves_to_the_bit(mixed: Found) -> None:
    values = moved(mixed)
    again = found(with_weights(mixed.network, mixed.weights, values)).graph
    check_same_graph(mixed.graph, again, values)
    constants = graphs.initializers(again.graph)
    assert all(np.array_equal(constants[name], value) for name, value in values.items())


def test_writing_back_what_was_exported_changes_no_logit(mixed: Found) -> None:
    constants = graphs.initializers(mixed.graph.graph)
    stored = with_weights(mixed.network, mixed.weights, {name: constants[name] for name in mixed.weights.owners})
    frames = torch.randn(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(stored(frames), mixed.network(frames), rtol=1e-4, atol=1e-5)
    assert not torch.equal(stored.state_dict()["norm.weight"], mixed.network.state_dict()["norm.weight"])  # neutral now


def test_a_norm_owns_the_bias_of_a_layer_without_one_and_keeps_its_statistics_where_it_stands_alone(
    mixed: Found,
) -> None:
    assert mixed.weights.folded == {"conv": "norm", "bare": "bare_norm"}
    layers = {node.input[1]: node.input[2] for node in graphs.convolutions(mixed.graph.graph)}
    owners = {weight: mixed.weights.owners[bias] for weight, bias in layers.items()}
    assert owners == {"conv.weight": "conv.bias", "bare.weight": "bare_norm.bias", "plain.weight": "plain.bias"}
    stored = with_weights(mixed.network, mixed.weights, moved(mixed))
    kept, neutral = (stored.state_dict()[f"{name}.running_var"] for name in ("entry_norm", "norm"))
    assert torch.equal(kept, mixed.network.state_dict()["entry_norm.running_var"]) and torch.all(neutral == 1)


def test_a_graph_that_differs_from_the_trained_one_is_refused_by_name(mixed: Found) -> None:
    with pytest.raises(ModelFileError, match=r"constant .* with other values than were trained"):
        check_same_graph(mixed.graph, mixed.graph, moved(mixed))
    other = onnx.ModelProto.FromString(mixed.graph.SerializeToString())
    other.graph.node[1].name = "renamed"
    with pytest.raises(ModelFileError, match="another graph than the one that was trained"):
        check_same_graph(mixed.graph, other, {})
