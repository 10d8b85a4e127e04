"""What a request decides: how much goes, from where, in which multiples."""

from __future__ import annotations

import re
from copy import deepcopy

import pytest
import torch
from torch import nn

from edgeneuro.errors import UsageError
from edgeneuro.export.prune.cut import Cut, cut
from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.models.build import build_model
from tests.export.prune import nets

INNER = [f"blocks.{block}.first.pointwise" for block in range(5)]


def smaller(network: nn.Module, settings: CutSettings) -> Cut:
    return cut(network, deepcopy(network), settings, example=nets.example())


def shares(done: Cut, layers: list[str]) -> dict[str, float]:
    """Share of its channels that each layer lost."""
    return {layer: 1 - done.widths[layer][1] / done.widths[layer][0] if layer in done.widths else 0 for layer in layers}


@pytest.mark.parametrize("multiple", [1, 4, 8, 16])
def test_every_width_that_changes_is_a_multiple_and_the_target_is_nearly_used_up(multiple: int) -> None:
    done = smaller(nets.of("myositis"), CutSettings(target_macs=0.5, round_to=multiple))
    assert done.widths
    assert all(new % multiple == 0 for _, new in done.widths.values())
    assert 0.5 - 0.004 * multiple < done.macs[1] / done.macs[0] <= 0.5


def test_equally_important_channels_go_in_equal_shares() -> None:
    network = build_model("myositis", classes=nets.CLASSES, channels=1)  # every scale of its normalisations is 1
    done = smaller(network, CutSettings(target_macs=0.4, importance="batch-norm", round_to=1))
    found = shares(done, INNER)
    widest = done.widths["blocks.4.first.pointwise"][1] / 176
    assert all(abs(1 - share - widest) < 1.5 / 24 for share in found.values())


def test_strength_multiplies_the_share_that_a_group_of_layers_loses() -> None:
    network = build_model("myositis", classes=nets.CLASSES, channels=1)
    strength = {"blocks.1.first": 2.0, "blocks.2": 0.5, "blocks.2.first": 1.5, "blocks.3.first": 0.0}
    settings = CutSettings(target_macs=0.7, importance="batch-norm", round_to=1, strength=strength)
    found = shares(smaller(network, settings), INNER)
    one = found["blocks.4.first.pointwise"]
    assert found["blocks.3.first.pointwise"] == 0
    assert abs(found["blocks.1.first.pointwise"] - 2 * one) < 3 / 48
    assert abs(found["blocks.2.first.pointwise"] - 1.5 * one) < 3 / 88


def test_guarded_layers_keep_their_outputs_and_a_prefix_ends_at_a_point() -> None:
    network = nets.of("mobilenet-v2")
    done = smaller(network, CutSettings(target_macs=0.3, keep=("features.1", "head", "features.4.layers.0")))
    assert not [layer for layer in done.widths if re.match(r"features\.(0|1|4\.layers\.0)\.", layer)]
    assert [layer for layer in done.widths if layer.startswith("features.12.")]


def test_an_unreachable_target_names_the_least_that_can_be_reached() -> None:
    network = nets.of("myositis")
    with pytest.raises(UsageError, match="at least") as refused:
        smaller(network, CutSettings(target_macs=0.02, round_to=16))
    named = re.search(r"at least ([\d,]+) ", str(refused.value))
    assert named is not None
    least = int(named[1].replace(",", ""))
    total = nets.stanet_macs(nets.STANET_WIDTHS, nets.STANET_WIDTHS[1:])
    done = smaller(network, CutSettings(target_macs=(least + 0.5) / total, round_to=16))
    assert done.macs == (total, least)
    assert least == nets.stanet_macs((16,) * 6, (16,) * 5, hidden=(6, 12, 16, 16, 16))
    with pytest.raises(UsageError, match="at least"):
        smaller(network, CutSettings(target_macs=(least - 0.5) / total, round_to=16))


def test_a_cut_network_can_be_cut_again() -> None:
    network = nets.of("myositis")
    once = smaller(network, CutSettings(target_macs=0.6))
    twice = cut(once.network, network, CutSettings(target_macs=0.6), example=nets.example(), surgery=once.surgery)
    assert twice.macs[0] == once.macs[1]
    assert 0.33 < twice.macs[1] / once.macs[0] <= 0.36
    assert set(once.surgery.shapes) <= set(twice.surgery.shapes)
    with torch.no_grad():
        assert twice.network(nets.images()).shape == (4, nets.CLASSES)
