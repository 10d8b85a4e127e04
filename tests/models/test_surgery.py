"""From the builder's network to a compressed one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeneuro.data.split import Split
from edgeneuro.errors import InputError
from edgeneuro.export.onnx_export import export_onnx, largest_difference
from edgeneuro.models.build import build_model, multiply_accumulates, parameters
from edgeneuro.models.surgery import Surgery, operate, removable_blocks, surgery_of
from edgeneuro.records import from_json, to_json
from edgeneuro.training.checkpoint import load_model, write_checkpoint
from tests.checkpoints import checkpoint_config


class OfALibrary(nn.Conv2d):
    """A convolution of somebody else's."""


class Every(nn.Module):
    """Every kind of layer that can be made smaller, with and without a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OfALibrary(1, 16, 3, stride=2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, groups=16, bias=False),
            nn.ConvTranspose2d(32, 12, 2, stride=2),
            nn.BatchNorm2d(12, affine=False),
            nn.ConvTranspose2d(12, 12, 3, groups=12),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Linear(12, 20, bias=False), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 3))

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, height, width) -> logits (batch, 3)."""
        logits: Tensor = self.head(self.features(image).mean((2, 3)))
        return logits


def built(name: str) -> nn.Module:
    """Fresh weights, always the same, with statistics of its own in every normalisation."""
    torch.manual_seed(0)
    network = Every() if name == "every layer" else build_model(name, classes=3, channels=1)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                if tensor is not None:
                    nn.init.uniform_(tensor, 0.5, 1.5)
    return network.eval()


def halve(network: nn.Module) -> tuple[dict[str, tuple[int, ...]], dict[str, Tensor]]:
    """Zero the second half of all channels but those of the image and the classes, in place: nothing leaves a channel whose
    normalisation and bias are zero, so what stays is a network of half the width. Returns its shapes and tensors."""
    shapes, kept = {}, {}
    for name, tensor in network.state_dict().items():
        shape = tuple(size // 2 if axis < 2 and size > 3 else size for axis, size in enumerate(tensor.shape))
        part = tensor[tuple(slice(size) for size in shape)].clone()
        if shape != tensor.shape:
            shapes[name] = shape
            tensor.zero_()[tuple(slice(size) for size in shape)] = part
        kept[name] = part
    return shapes, kept


def frames() -> Tensor:
    return torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(1))


networks = pytest.mark.parametrize("name", ["myositis", "mobilenet-v2", "resnet18", "every layer"])


@networks
@torch.no_grad()
def test_a_network_without_its_empty_channels_gives_the_same_logits(name: str) -> None:
    wide = built(name)
    shapes, weights = halve(wide)
    narrow = operate(built(name), Surgery(shapes=shapes))
    narrow.load_state_dict(weights)
    expected = wide(frames())
    assert expected.std() > 1e-3
    # other numbers of terms are summed in another order: float32 rounding
    torch.testing.assert_close(narrow(frames()), expected, rtol=1e-4, atol=1e-5)
    assert parameters(narrow) < 0.5 * parameters(wide)
    assert multiply_accumulates(narrow, 1, 32, 32) < 0.6 * multiply_accumulates(wide, 1, 32, 32)


@networks
def test_the_record_is_found_again_from_the_shapes(name: str) -> None:
    fresh = built(name)
    before = {key: value.shape for key, value in fresh.state_dict().items()}
    shapes, _ = halve(built(name))
    found = surgery_of(operate(built(name), Surgery(shapes=shapes)), fresh, removed=(), ranks={})
    assert found == Surgery(shapes=shapes)
    assert from_json(Surgery, json.loads(json.dumps(to_json(found))), "surgery") == found
    assert {key: value.shape for key, value in fresh.state_dict().items()} == before


@networks
def test_a_smaller_network_trains(name: str) -> None:
    shapes, weights = halve(built(name))
    narrow = operate(built(name), Surgery(shapes=shapes))
    narrow.load_state_dict(weights)
    narrow.train()(frames()).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.shape == weight.shape for weight in narrow.parameters())


def test_layers_know_their_sizes() -> None:
    narrow = operate(built("every layer"), Surgery(shapes=halve(built("every layer"))[0]))
    said = [str(layer).partition(", kernel")[0] for layer in narrow.modules() if not list(layer.children())]
    assert said[0] == "OfALibrary(1, 8" and said[1].startswith("BatchNorm2d(8, ")
    assert said[3:5] == ["Conv2d(8, 16", "ConvTranspose2d(16, 6"]
    assert said[8] == "Linear(in_features=6, out_features=10, bias=False)"
    depthwise = [layer.groups for layer in narrow.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    assert depthwise == [1, 8, 1, 6]


@torch.no_grad()
def test_groups_stay_where_a_group_has_several_channels() -> None:
    network = operate(
        nn.Sequential(nn.Conv2d(8, 12, 1, groups=2)), Surgery(shapes={"0.weight": (6, 3, 1, 1), "0.bias": (6,)})
    )
    nn.init.ones_(network[0].weight)  # type: ignore[index]
    nn.init.zeros_(network[0].bias)  # type: ignore[index]
    x = torch.tensor([1.0, 1.0, 1.0, 5.0, 5.0, 5.0])[None, :, None, None]
    assert network(x)[0, :, 0, 0].tolist() == [3.0, 3.0, 3.0, 15.0, 15.0, 15.0]


def test_a_smaller_network_is_exported_with_its_own_cost() -> None:
    shapes, weights = halve(built("every layer"))
    del shapes["head.3.weight"], weights["head.3.weight"], weights["head.3.bias"]
    narrow = operate(built("every layer"), Surgery(shapes=shapes | {"head.3.0.weight": (2, 10)}, ranks={"head.3": 2}))
    pair = {"head.3.0.weight": torch.ones(2, 10), "head.3.1.weight": torch.ones(3, 2), "head.3.1.bias": torch.zeros(3)}
    narrow.load_state_dict(weights | pair)
    graph, compute = export_onnx(narrow, channels=1, height=32, width=32)
    assert (
        compute.macs == multiply_accumulates(narrow, 1, 32, 32) < multiply_accumulates(built("every layer"), 1, 32, 32)
    )
    largest_difference(narrow, graph, np.asarray(frames()))


def test_a_checkpoint_of_a_smaller_network_is_loaded_from_its_record(tmp_path: Path) -> None:
    halves, _ = halve(build_model("myositis", classes=2, channels=1))
    shapes = {name: shape for name, shape in halves.items() if not name.startswith(("blocks.3", "classifier"))}
    surgery = Surgery(removed=("blocks.3",), ranks={"classifier": 2}, shapes={**shapes, "classifier.0.weight": (2, 88)})
    small = operate(build_model("myositis", classes=2, channels=1), surgery).eval()
    for tensor in small.state_dict().values():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.0, 0.1)
    split = Split(protocol="grouped", fold=0, seed=0, salt="s", training=("1",), validation=("2",), test=("3",))
    write_checkpoint(tmp_path, network=small, config=checkpoint_config(surgery=surgery), metrics={}, split=split)
    assert torch.equal(load_model(tmp_path)(frames()), small(frames()))
    assert (tmp_path / "model.safetensors").stat().st_size < 4 * 503_880 / 3


@pytest.mark.parametrize(("name", "blocks"), [("myositis", 1), ("mobilenet-v2", 10), ("resnet18", 5)])
@torch.no_grad()
def test_a_block_that_adds_nothing_can_be_left_out(name: str, blocks: int) -> None:
    network = built(name)
    removable = removable_blocks(network)
    assert len(removable) == blocks
    for block in removable:
        *_, last = (layer for layer in network.get_submodule(block).modules() if isinstance(layer, nn.BatchNorm2d))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    expected = network(frames())
    shorter = operate(deepcopy(network), Surgery(removed=removable))
    assert torch.equal(shorter(frames()), expected)
    assert multiply_accumulates(shorter, 1, 32, 32) < multiply_accumulates(network, 1, 32, 32)
    assert removable_blocks(shorter) == ()
    assert surgery_of(shorter, network, removed=removable, ranks={}) == Surgery(removed=removable)


def test_a_divided_layer_has_its_rank_between() -> None:
    network = operate(built("every layer"), Surgery(ranks={"head.0": 3, "head.3": 2}))
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items() if name.startswith("head")}
    assert shapes["head.0.0.weight"] == (3, 12) and shapes["head.0.1.weight"] == (20, 3)
    assert shapes["head.3.0.weight"] == (2, 20) and shapes["head.3.1.weight"] == (3, 2)
    assert shapes["head.3.1.bias"] == (3,) and "head.0.1.bias" not in shapes
    assert surgery_of(network, built("every layer"), removed=(), ranks={"head.0": 3, "head.3": 2}).shapes == {}


@pytest.mark.parametrize(
    ("surgery", "message"),
    [
        (Surgery(removed=("blocks.2",)), r"block 'blocks.2': cannot be left out, expected one of blocks.3"),
        (Surgery(removed=("blocks.9",)), r"block 'blocks.9': cannot be left out"),
        (Surgery(removed=("blocks.3", "blocks.3")), r"block 'blocks.3': cannot be left out, expected one of none"),
        (Surgery(ranks={"stem.conv": 2}), r"layer 'stem.conv': is not a linear layer"),
        (Surgery(ranks={"head": 2}), r"layer 'head': is not a linear layer"),
        (Surgery(ranks={"classifier": 4}), r"layer 'classifier': got rank 4, expected 1 to 3"),
        (Surgery(ranks={"classifier": 0}), r"layer 'classifier': got rank 0, expected 1 to 3"),
        (Surgery(shapes={"stem.weight": (8,)}), r"tensor 'stem.weight': is not in this network"),
        (
            Surgery(shapes={"stem.conv.weight": (32, 1, 3, 3)}),
            r"stem.conv.weight: got shape \(32, 1, 3, 3\), expected \(16, ",
        ),
        (Surgery(shapes={"stem.conv.weight": (8, 1, 1, 1)}), r"stem.conv.weight: got shape \(8, 1, 1, 1\)"),
        (Surgery(shapes={"stem.conv.weight": (8, 9)}), r"stem.conv.weight: got shape \(8, 9\)"),
        (Surgery(shapes={"stem.conv.weight": (0, 1, 3, 3)}), r"stem.conv.weight: got shape \(0, 1, 3, 3\)"),
        (Surgery(shapes={"stem.norm.weight": (8,)}), r"stem.norm.bias: has 16 channels, expected the layer's 8"),
        (Surgery(shapes={"classifier.weight": (2, 176)}), r"classifier.bias: has 3 channels, expected the layer's 2"),
    ],
)
def test_what_is_not_there_or_does_not_fit_is_named(surgery: Surgery, message: str) -> None:
    with pytest.raises(InputError, match=message):
        operate(build_model("myositis", classes=3, channels=1), surgery)


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (
            nn.Conv2d(8, 8, 1, groups=4),
            {"weight": (6, 2, 1, 1), "bias": (6,)},
            "which the layer's groups do not divide",
        ),
        (
            nn.Conv2d(8, 16, 1, groups=8),
            {"weight": (1, 1, 1, 1), "bias": (1,)},
            "which the layer's groups do not divide",
        ),
        (nn.LayerNorm(8), {"weight": (4,), "bias": (4,)}, "is a LayerNorm, which cannot be made smaller"),
    ],
)
def test_layers_that_cannot_shrink_so_are_refused(
    layer: nn.Module, shapes: Mapping[str, tuple[int, ...]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        operate(nn.ModuleDict({"it": layer}), Surgery(shapes={f"it.{name}": shape for name, shape in shapes.items()}))


def test_networks_that_shapes_do_not_tell_apart_have_no_record() -> None:
    with pytest.raises(InputError, match=r"tensor 'classifier.0.weight': is in one of the two networks only"):
        surgery_of(
            operate(built("myositis"), Surgery(ranks={"classifier": 2})), built("myositis"), removed=(), ranks={}
        )
    one, two = nn.Sequential(nn.Conv2d(8, 8, 1, groups=8)), nn.Sequential(nn.Conv2d(8, 16, 1, groups=8))
    with pytest.raises(InputError, match=r"layer '0': has 8 groups, expected the 4 that its shapes stand for"):
        surgery_of(one, two, removed=(), ranks={})
