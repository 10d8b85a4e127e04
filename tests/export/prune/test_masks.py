"""Which layers are masked, by how much, and what the settings refuse."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from edgeneuro.errors import UsageError
from edgeneuro.export.prune.masking import choose_layers, hold, magnitude_masks, release, shares_of_zeros
from edgeneuro.export.prune.masks import MaskSettings
from edgeneuro.models.build import build_model
from tests.export.qat_toy import Toy

EXAMPLE = torch.zeros(2, 1, 32, 32)


def stanet() -> nn.Module:
    torch.manual_seed(0)
    return build_model("myositis", classes=3, channels=1).eval()


def weights_of(network: nn.Module, layers: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: network.get_parameter(f"{name}.weight") for name in layers}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "--sparsity and --pattern: got neither"),
        ({"sparsity": 0.5, "pattern": "2:4"}, "got both"),
        ({"sparsity": 1.0}, "--sparsity 1: expected a share above 0 and below 1"),
        ({"pattern": "4:8"}, "--pattern 4:8: is not known, expected 2:4"),
        ({"sparsity": 0.5, "scope": "block"}, "scope 'block': is not known"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        MaskSettings(**settings)  # type: ignore[arg-type]


def test_only_the_2_4_pattern_promises_speed_and_only_where_it_can_be_had() -> None:
    plain, pattern = MaskSettings(sparsity=0.9).speed, MaskSettings(pattern="2:4").speed
    assert plain.startswith("A mask brings no speed: dense kernels")
    assert "TensorRT alone" in pattern and "Ampere" in pattern and "--sparse" in pattern
    assert all("unless it is compressed" in said for said in (plain, pattern))


def test_layers_that_read_the_image_and_the_last_one_stay_dense() -> None:
    chosen, dense = choose_layers(stanet(), EXAMPLE)
    assert dense == {"stem.conv": "reads the image", "classifier": "runs last"}
    assert "blocks.0.first.depthwise" in chosen and "blocks.0.attention.squeeze" in chosen


def test_both_branches_of_the_double_network_are_guarded_at_their_start() -> None:
    class Double(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(16, 2)  # registered first, runs last
            self.left, self.middle, self.right = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 1), nn.Conv2d(1, 8, 3)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            both = (self.middle(self.left(image)), self.right(image))
            logits: torch.Tensor = self.head(torch.cat([branch.mean((2, 3)) for branch in both], 1))
            return logits

    chosen, dense = choose_layers(Double().eval(), EXAMPLE)
    assert list(chosen) == ["middle"]
    assert dense == {"head": "runs last", "left": "reads the image", "right": "reads the image"}


def test_the_pattern_leaves_depthwise_layers_and_those_without_fours_and_says_so() -> None:
    chosen, dense = choose_layers(stanet(), EXAMPLE, keep=("blocks.4.second",), fours=True)
    assert dense["blocks.2.first.depthwise"] == "depthwise"
    assert dense["blocks.0.attention.excite"] == "6 input channels, no multiple of 4"
    assert dense["blocks.4.second.conv"] == "--keep"
    assert "blocks.3.second.conv" in chosen and "blocks.1.attention.excite" in chosen
    assert not set(chosen) & set(dense)


def test_a_name_that_no_layer_has_and_a_network_without_layers_to_mask_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--keep stage: no layer is called so, expected one of first\.0, second\.0"):
        choose_layers(Toy(2, 1).eval(), EXAMPLE, keep=("stage",))
    with pytest.raises(UsageError, match=r"no layer is left to mask: first.0 \(reads the image\), second.0 \(--keep\)"):
        choose_layers(Toy(2, 1).eval(), EXAMPLE, keep=("second",))


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_each_layer_loses_its_smallest_weights_up_to_the_share(share: float) -> None:
    network = stanet()
    layers, _ = choose_layers(network, EXAMPLE)
    before = copy.deepcopy(network.state_dict())
    masks = magnitude_masks(network, layers, share, "layer", EXAMPLE)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    for name, weight in weights_of(network, masks).items():
        magnitudes = np.sort(weight.detach().abs().numpy(), axis=None)
        smallest_kept = weight.detach().abs()[masks[name]].min().item()
        dropped = int((~masks[name]).sum())
        assert dropped == pytest.approx(share * weight.numel(), abs=1.0)
        assert smallest_kept == magnitudes[dropped]


def test_one_threshold_for_the_network_drops_different_shares_of_its_layers() -> None:
    network = stanet()
    layers, _ = choose_layers(network, EXAMPLE)
    masks = magnitude_masks(network, layers, 0.6, "network", EXAMPLE)
    weights = {name: weight.detach() for name, weight in weights_of(network, masks).items()}
    total = sum(weight.numel() for weight in weights.values())
    dropped = {name: float((~mask).float().mean()) for name, mask in masks.items()}
    assert sum(int((~mask).sum()) for mask in masks.values()) == pytest.approx(0.6 * total, abs=2.0)
    assert max(dropped.values()) - min(dropped.values()) > 0.3
    relative = {name: weight.abs() / math.sqrt(float((weight**2).sum())) for name, weight in weights.items()}
    kept = min(float(relative[name][mask].min()) for name, mask in masks.items() if mask.any())
    gone = max(float(relative[name][~mask].max()) for name, mask in masks.items() if not mask.all())
    assert gone <= kept * (1 + 1e-6)


def test_masks_that_leave_nothing_of_a_layer_are_refused() -> None:
    network = Toy(2, 1).eval()
    nn.init.constant_(network.get_parameter("second.0.weight"), 0.5)
    with pytest.raises(UsageError, match=r"--sparsity 0.5: leaves no weight of second\.0; give a smaller share"):
        magnitude_masks(network, ["second.0"], 0.5, "layer", EXAMPLE)


def test_weights_under_a_mask_stay_zero_while_the_others_are_trained() -> None:
    torch.manual_seed(0)
    network = Toy(2, 1)
    mask = torch.rand(8, 8, 3, 3) < 0.5
    before = network.get_parameter("second.0.weight").detach().clone()
    plain = list(network.state_dict())
    hold(network, {"second.0": mask})
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        network(torch.randn(4, 1, 16, 16)).square().sum().backward()
        optimiser.step()
    release(network, {"second.0": mask})
    trained = network.get_parameter("second.0.weight").detach()
    assert type(network.get_submodule("second.0")) is nn.Conv2d and list(network.state_dict()) == plain
    assert (trained[~mask] == 0).all() and not torch.signbit(trained[~mask]).any()
    assert (trained[mask] != before[mask]).all()


def test_shares_of_zeros_are_counted_by_layer_and_over_all_parameters() -> None:
    network = Toy(2, 1)
    mask = torch.ones(8, 8, 3, 3, dtype=torch.bool)
    mask[:2] = False
    hold(network, {"second.0": mask})
    total = 8 * 9 + 16 + 8 * 8 * 9 + 16 + 8 * 2 + 2
    assert shares_of_zeros(network, ["second.0"]) == ({"second.0": 0.25}, 144 / total)
