"""What a channel is worth, by each measure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torch_pruning as tp
from torch import Tensor, nn

from edgeneuro.errors import UsageError
from edgeneuro.export.prune.coupling import Slot
from edgeneuro.export.prune.importance import importances
from edgeneuro.export.prune.segments import Segment, segments_of
from edgeneuro.export.prune.settings import CutSettings
from tests.export.prune import nets


def segment_of(network: nn.Module, layer: str, channels: int = 1) -> Segment:
    """The one segment that a layer's outputs are in."""
    segments = segments_of(network, nets.example(channels), CutSettings(target_macs=0.5))
    (found,) = [segment for segment in segments if Slot(layer, "outputs") in segment.places]
    return found


@pytest.mark.parametrize("layer", ["stages.1.0.first.0", "stages.2.1.second.0"])
def test_group_importance_is_that_of_torch_pruning(layer: str) -> None:
    network = nets.of("resnet18")
    graph = tp.DependencyGraph().build_dependency(network, nets.example())
    root = network.get_submodule(layer)
    assert isinstance(root, nn.Conv2d)
    group = graph.get_pruning_group(root, tp.prune_conv_out_channels, list(range(root.out_channels)))
    expected = tp.importance.GroupMagnitudeImportance(p=2)(group).numpy()
    (found,) = importances(network, [segment_of(network, layer)], "group")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_magnitude_looks_at_the_layer_that_makes_a_channel_alone() -> None:
    network = nets.of("resnet18")
    layer = network.get_submodule("stages.0.0.first.0")
    (found,) = importances(network, [segment_of(network, "stages.0.0.first.0")], "magnitude")
    sums = layer.get_parameter("weight").detach().abs().sum((1, 2, 3)).double().numpy()
    np.testing.assert_allclose(found, sums / sums.mean(), rtol=1e-5)


def test_batch_norm_looks_at_the_scales_and_refuses_a_network_without() -> None:
    network = nets.of("resnet18")
    (found,) = importances(network, [segment_of(network, "stages.0.0.first.0")], "batch-norm")
    scales = network.get_parameter("stages.0.0.first.1.weight").detach().double().numpy()
    np.testing.assert_allclose(found, scales / scales.mean(), rtol=1e-6)
    with pytest.raises(UsageError, match="no batch normalisation, take group or magnitude"):
        importances(nn.Sequential(nn.Conv2d(1, 4, 3)), [], "batch-norm")


def batch(classes: Sequence[int]) -> tuple[Tensor, Tensor]:
    return nets.images(2, len(classes)).double(), torch.tensor(classes)


def change_of_loss(network: nn.Module, channel: int, images: Tensor, classes: Tensor) -> float:
    """For each unit of the share by which `head.0` reads less of `channel`."""
    step = 1e-6
    weight = network.get_parameter("head.0.weight")
    with torch.no_grad():
        before = F.cross_entropy(network(images), classes)
        weight[:, channel] *= 1 - step
        after = F.cross_entropy(network(images), classes)
        weight[:, channel] /= 1 - step
    return float(after - before) / step


def test_taylor_is_the_squared_change_of_the_loss_when_nobody_reads_the_channel() -> None:
    network = nets.other(nets.Siamese, 2).double()
    segment = segment_of(network.float(), "branch.2.0", 2)
    network.double()
    two = [batch([0, 1, 2, 1]), batch([2, 2, 0, 1])]
    (found,) = importances(network, [segment], "taylor", two)
    expected = np.mean([[change_of_loss(network, c, *one) ** 2 for c in range(32)] for one in two], axis=0)
    np.testing.assert_allclose(found, expected / expected.mean(), rtol=1e-3)


def test_taylor_ranks_otherwise_for_other_classes_and_needs_some() -> None:
    network = nets.other(nets.Siamese, 2).double()
    segment = segment_of(network.float(), "branch.2.0", 2)
    network.double()
    (one,), (other,) = (importances(network, [segment], "taylor", [batch(c)]) for c in ([0, 0, 0, 0], [1, 2, 1, 2]))
    assert one.argsort().tolist() != other.argsort().tolist()
    with pytest.raises(UsageError, match="needs training frames"):
        importances(network, [segment], "taylor")
