"""Networks of every kind made smaller: shapes, counts, records, and the same outputs wherever only nothing was taken."""

from __future__ import annotations

from copy import deepcopy
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from edgeneuro.errors import InputError, UsageError
from edgeneuro.export.onnx_export import export_onnx, largest_difference
from edgeneuro.export.prune.cut import Cut, cut
from edgeneuro.export.prune.settings import IMPORTANCES, CutSettings, Importance
from edgeneuro.models.build import multiply_accumulates, parameters
from edgeneuro.models.surgery import operate
from tests.export.prune import nets
from tests.export.prune.nets import NETS, SIDE

MULTIPLE = 4


def halved(network: nn.Module, channels: int, share: float = 0.5) -> Cut:
    settings = CutSettings(target_macs=share, round_to=MULTIPLE)
    return cut(network, deepcopy(network), settings, example=nets.example(channels))


def needs(name: str) -> None:
    if name == "efficientnet-lite0" and find_spec("efficientnet_lite_pytorch") is None:
        pytest.skip("needs the benchmark extra")


@pytest.mark.parametrize("name", NETS)
def test_a_network_has_half_its_operations_left_as_counted_by_another_counter(name: str) -> None:
    needs(name)
    build, channels = NETS[name]
    network = build()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    done = halved(network, channels)
    assert done.macs == tuple(multiply_accumulates(net, channels, SIDE, SIDE) for net in (network, done.network))
    assert done.params == (parameters(network), parameters(done.network))
    assert 0.4 * done.macs[0] < done.macs[1] <= 0.5 * done.macs[0]
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not done.network.training
    for layer, (old, new) in done.widths.items():
        assert new < old and new % MULTIPLE == 0, layer


@pytest.mark.parametrize("name", ["stanet", "u-net", "neurites", "siamese", "flattened"])
def test_the_record_makes_the_smaller_network_again_without_the_library(name: str) -> None:
    build, channels = NETS[name]
    network = build()
    done = halved(network, channels)
    again = operate(build(), done.surgery).eval()
    again.load_state_dict(done.network.state_dict())
    images = nets.images(channels)
    with torch.no_grad():
        assert torch.equal(again(images), done.network(images))
        assert not torch.allclose(again(images), network(images))
    assert {type(layer) for layer in again.modules()} == {type(layer) for layer in done.network.modules()}
    assert not any(layer._forward_hooks for layer in done.network.modules())


@pytest.mark.parametrize("name", ["stanet", "siamese"])
def test_the_smaller_network_goes_to_onnx_with_the_operations_that_were_promised(name: str) -> None:
    build, channels = NETS[name]
    done = halved(build(), channels)
    graph, compute = export_onnx(done.network, channels=channels, height=SIDE, width=SIDE)
    assert compute.macs == done.macs[1]
    assert largest_difference(done.network, graph, nets.images(channels).numpy()) < 1e-4


def test_soft_threshold_attention_is_cut_with_the_channels_it_looks_at_and_inside() -> None:
    done = halved(nets.of("myositis"), 1, share=0.2)
    for block in (f"blocks.{number}" for number in range(5)):
        width = len(done.network.get_parameter(f"{block}.second.conv.weight"))
        hidden = len(done.network.get_parameter(f"{block}.attention.norm.weight"))
        assert done.network.get_parameter(f"{block}.attention.squeeze.weight").shape == (hidden, width)
        assert done.network.get_parameter(f"{block}.attention.excite.weight").shape == (width, hidden)
    inside = halved(nets.of("myositis"), 1, share=0.13)
    assert inside.widths["blocks.4.attention.squeeze"][1] < 44


def test_twelve_million_operations_are_within_reach_of_stanet_at_both_sizes() -> None:
    network = nets.of("myositis")
    for side in (224, 128):
        settings = CutSettings(target_macs=12 / 81.43868)
        done = cut(network, deepcopy(network), settings, example=nets.example(side=side))
        assert 0.95 * 12 / 81.43868 < done.macs[1] / done.macs[0] <= 12 / 81.43868
        assert done.network.get_submodule("stem.conv").out_channels == 16


KEPT_TRUNK, KEPT_INNER = (16, 24, 24, 56, 56, 104), (16, 24, 40, 48, 96)
"""Widths after the stem and each block, and within blocks; channels 24 to 47, which only later blocks have, all go."""


def kept_stanet() -> tuple[list[int], list[list[int]]]:
    """The channels that go, drawn."""
    rng = np.random.default_rng(5)
    trunk: list[int] = []
    for (old, wider), (kept, more) in zip(pairwise(nets.STANET_WIDTHS), pairwise(KEPT_TRUNK), strict=True):
        trunk += rng.choice(np.arange(old, wider), (wider - old) - (more - kept), replace=False).tolist()
    inner = [
        rng.choice(width, width - kept, replace=False).tolist()
        for width, kept in zip(nets.STANET_WIDTHS[1:], KEPT_INNER, strict=True)
    ]
    return trunk, inner


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(nets.images(count=64), torch.arange(64) % nets.CLASSES)]


@pytest.mark.parametrize("importance", IMPORTANCES)
def test_stanet_without_its_silent_channels_gives_the_same_logits(importance: Importance) -> None:
    network = nets.of("myositis")
    trunk, inner = kept_stanet()
    nets.silenced_stanet(network, trunk, inner)
    nets.settled(network, 1)
    target = nets.stanet_macs(KEPT_TRUNK, KEPT_INNER) / nets.stanet_macs(nets.STANET_WIDTHS, nets.STANET_WIDTHS[1:])
    settings = CutSettings(target_macs=target * 1.0001, importance=importance)
    done = cut(network, deepcopy(network), settings, example=nets.example(), batches=batches())
    widths = dict(zip((f"blocks.{i}.second.conv" for i in range(5)), KEPT_TRUNK[1:], strict=True))
    widths |= dict(zip((f"blocks.{i}.first.pointwise" for i in range(5)), KEPT_INNER, strict=True))
    assert {layer: done.network.get_submodule(layer).out_channels for layer in widths} == widths
    assert_same(network, done.network)


@pytest.mark.parametrize("importance", IMPORTANCES)
def test_resnet_without_its_silent_channels_gives_the_same_logits(importance: Importance) -> None:
    network = nets.of("resnet18")
    trunk_kept, inner_kept = (64, 72, 200, 304), ((40, 64), (64, 104), (200, 256), (304, 400))
    rng = np.random.default_rng(6)

    def gone(width: int, kept: int) -> list[int]:
        return [int(channel) for channel in rng.choice(width, width - kept, replace=False)]

    trunk = [gone(width, kept) for width, kept in zip(nets.RESNET_WIDTHS, trunk_kept, strict=True)]
    inner = [[gone(width, k) for k in kept] for width, kept in zip(nets.RESNET_WIDTHS, inner_kept, strict=True)]
    nets.silenced_resnet(network, trunk, inner)
    nets.settled(network, 1)
    full = nets.resnet_macs(nets.RESNET_WIDTHS, [(width, width) for width in nets.RESNET_WIDTHS])
    settings = CutSettings(target_macs=1.0001 * nets.resnet_macs(trunk_kept, inner_kept) / full, importance=importance)
    done = cut(network, deepcopy(network), settings, example=nets.example(), batches=batches())
    assert done.macs == (full, nets.resnet_macs(trunk_kept, inner_kept))
    assert_same(network, done.network)


def assert_same(network: nn.Module, smaller: nn.Module) -> None:
    """Sums of fewer terms may round otherwise."""
    with torch.no_grad():
        expected = network(nets.images())
        assert torch.allclose(smaller(nets.images()), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_a_block_may_be_left_out_and_counts_towards_the_target() -> None:
    network = nets.of("myositis")
    done = cut(network, deepcopy(network), CutSettings(target_macs=0.9, removed=("blocks.3",)), example=nets.example())
    block = nets.stanet_macs(nets.STANET_WIDTHS, nets.STANET_WIDTHS[1:]) - multiply_accumulates(
        done.network, 1, SIDE, SIDE
    )
    assert block == 2**2 * 88 * (9 + 88 + 9 * 88) + 2 * 88 * 22
    assert isinstance(done.network.get_submodule("blocks.3"), nn.Identity)
    assert done.surgery.removed == ("blocks.3",)
    assert done.widths == {} and not done.surgery.shapes


def test_channels_exchanged_where_the_graph_does_not_see_it_are_refused() -> None:
    network = nets.other(nets.Flipped)
    with pytest.raises(InputError, match="computes something else than with zeros in their place"):
        cut(network, deepcopy(network), CutSettings(target_macs=0.7, round_to=4), example=nets.example())


def test_channels_that_the_graph_loses_are_left_alone() -> None:
    network = nets.other(nets.Shuffled)
    with pytest.raises(UsageError, match=r"at least 14,208 \(1.000\) are left"):
        cut(network, deepcopy(network), CutSettings(target_macs=0.7, round_to=4), example=nets.example())
