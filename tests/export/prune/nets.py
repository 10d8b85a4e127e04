"""Networks that are cut in the tests, and what about them can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from edgeneuro.benchmarks.nets import UNet
from edgeneuro.models.build import build_model
from edgeneuro.models.layers import conv_bn
from edgeneuro.models.morphology import FEATURES, Bottleneck

SIDE = 32
CLASSES = 3


class Siamese(nn.Module):
    """One branch looks at both channels of the image; the difference is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(conv_bn(1, 16, stride=2), nn.ReLU(), conv_bn(16, 32, stride=2), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, CLASSES))

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 2, height, width) -> logits (batch, class)."""
        left, right = self.branch(image[:, :1]), self.branch(image[:, 1:])
        logits: Tensor = self.head((left - right).mean(dim=(2, 3)))
        return logits


class Flattened(nn.Module):
    """Every pixel of the last feature map has weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(conv_bn(1, 8, stride=4), nn.ReLU(), nn.Conv2d(8, 32, 3, 4, 1), nn.ReLU())
        self.head = nn.Linear(32 * (SIDE // 16) ** 2, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, SIDE, SIDE) -> logits (batch, class)."""
        logits: Tensor = self.head(self.features(image).flatten(1))
        return logits


class Shuffled(Flattened):
    """Channels of two halves take turns, by two changes of shape."""

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, SIDE, SIDE) -> logits (batch, class)."""
        x = self.features(image).unflatten(1, (2, 16)).transpose(1, 2).flatten(1, 2)
        logits: Tensor = self.head(x.flatten(1))
        return logits


class Flipped(Flattened):
    """The last channel comes first, which looks like an operation on each channel by itself."""

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, SIDE, SIDE) -> logits (batch, class)."""
        logits: Tensor = self.head(self.features(image).flip(1).flatten(1))
        return logits


class Reconstructing(nn.Module):
    """The centre of a feature map added to what is rebuilt of it: the end of model morphology."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, FEATURES, 5, stride=5, bias=False), nn.BatchNorm2d(FEATURES), nn.ReLU())
        self.reconstruction = Bottleneck()
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, SIDE, SIDE) -> logits (batch, class)."""
        logits: Tensor = self.head(self.reconstruction(self.stem(image)).mean((2, 3)))
        return logits


def of(name: str, **options: str) -> nn.Module:
    """A row of the model table for grey frames, as after training."""
    torch.manual_seed(0)
    return trained(build_model(name, classes=CLASSES, channels=1, **options), 1)


def other(build: Callable[[], nn.Module], channels: int = 1) -> nn.Module:
    """A network that is not in the table, as after training."""
    torch.manual_seed(0)
    return trained(build(), channels)


def trained(network: nn.Module, channels: int) -> nn.Module:
    """Normalisations drawn, then settled."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0.0, 0.1)
            layer.momentum = 1.0
    return settled(network, channels)


def settled(network: nn.Module, channels: int) -> nn.Module:
    """With the statistics of drawn images, so that hardly a channel is dead; in evaluation mode."""
    with torch.no_grad():
        network.train()(images(channels, 32))
    return network.eval()


NETS: Mapping[str, tuple[Callable[[], nn.Module], int]] = {
    "stanet": (partial(of, "myositis"), 1),
    "stanet without attention": (partial(of, "myositis", attention="none"), 1),
    "stanet with a fixed threshold": (partial(of, "myositis", attention="fixed"), 1),
    "stanet of separable convolutions": (partial(of, "myositis", convolutions="separable"), 1),
    "stanet of conventional convolutions": (partial(of, "myositis", convolutions="conventional"), 1),
    "mobilenet-v2": (partial(of, "mobilenet-v2"), 1),
    "resnet18": (partial(of, "resnet18"), 1),
    "efficientnet-lite0": (
        partial(other, partial(build_model, "efficientnet-lite0", classes=CLASSES, channels=3), 3),
        3,
    ),
    "dual vgg": (partial(of, "myositis-dual"), 1),
    "u-net": (partial(other, partial(UNet, CLASSES, 1)), 1),
    "neurites": (partial(other, partial(build_model, "segmentation-2d", classes=2, channels=1, width=8, levels=3)), 1),
    "siamese": (partial(other, Siamese, 2), 2),
    "flattened": (partial(other, Flattened), 1),
    "feature reconstruction": (partial(other, Reconstructing), 1),
}
"""Name -> builder, channels of the image."""


def example(channels: int = 1, side: int = SIDE) -> Tensor:
    """What a network is traced with."""
    return torch.zeros(2, channels, side, side)


def images(channels: int = 1, count: int = 4) -> Tensor:
    """(count, channels, SIDE, SIDE), drawn."""
    return torch.rand(count, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def silence(network: nn.Module, layer: str, channels: Sequence[int], *, read: bool = False) -> None:
    """Zero what `layer` makes in `channels`, or with `read` what it reads from them."""
    module = network.get_submodule(layer)
    for name, values in module.named_parameters():
        if not read:
            values[list(channels)] = 0.0
        elif name == "weight":
            values[:, list(channels)] = 0.0


STANET_WIDTHS = (16, 24, 48, 88, 88, 176)
STANET_SIDES = (16, 8, 4, 2, 2, 1)
"""Of the stem and the five blocks, the sides for images of SIDE."""


def stanet_macs(trunk: Sequence[int], inner: Sequence[int], hidden: Sequence[int] = (6, 12, 22, 22, 44)) -> int:
    """Of a STANet with channels `trunk` after the stem and each block, `inner` between a block's two convolutions."""
    macs = 9 * trunk[0] * STANET_SIDES[0] ** 2 + trunk[-1] * CLASSES
    for before, between, after, squeezed, side in zip(trunk, inner, trunk[1:], hidden, STANET_SIDES[1:], strict=False):
        macs += side**2 * (9 * before + before * between + 9 * between * after) + 2 * after * squeezed
    return macs


def silenced_stanet(network: nn.Module, trunk: Sequence[int], inner: Sequence[Sequence[int]]) -> None:
    """Zero channels `trunk` of every block that has them, and inner[i] between the convolutions of block i."""
    for block, (before, after) in enumerate(pairwise(STANET_WIDTHS)):
        name, given, made = f"blocks.{block}", [c for c in trunk if c < before], [c for c in trunk if c < after]
        for layer in ("first.depthwise", "first.depthwise_norm"):
            silence(network, f"{name}.{layer}", given)
        silence(network, f"{name}.first.pointwise", given, read=True)
        for layer in ("first.pointwise", "first.pointwise_norm"):
            silence(network, f"{name}.{layer}", inner[block])
        silence(network, f"{name}.second.conv", inner[block], read=True)
        for layer in ("second.conv", "second.norm", "attention.excite"):
            silence(network, f"{name}.{layer}", made)
        silence(network, f"{name}.attention.squeeze", made, read=True)
    silence(network, "classifier", trunk, read=True)


RESNET_WIDTHS = (64, 128, 256, 512)
RESNET_SIDES = (8, 4, 2, 1)


def resnet_blocks() -> Iterator[tuple[int, int, str]]:
    """Stage, block, name."""
    for stage in range(4):
        for block in range(2):
            yield stage, block, f"stages.{stage}.{block}"


def resnet_macs(trunk: Sequence[int], inner: Sequence[Sequence[int]]) -> int:
    """Of a ResNet-18 with channels `trunk` after each stage and inner[stage][block] within its blocks."""
    macs, before = 49 * trunk[0] * (SIDE // 2) ** 2 + trunk[-1] * CLASSES, trunk[0]
    for stage, block, _ in resnet_blocks():
        area, width = RESNET_SIDES[stage] ** 2, inner[stage][block]
        macs += 9 * area * width * (before + trunk[stage])
        macs += area * before * trunk[stage] if stage and not block else 0
        before = trunk[stage]
    return macs


def silenced_resnet(
    network: nn.Module, trunk: Sequence[Sequence[int]], inner: Sequence[Sequence[Sequence[int]]]
) -> None:
    """Zero channels trunk[stage] after each stage, inner[stage][block] within its blocks."""
    before: Sequence[int] = trunk[0]
    for stage, block, name in resnet_blocks():
        silence(network, f"{name}.first.0", before, read=True)
        for layer in ("first.0", "first.1"):
            silence(network, f"{name}.{layer}", inner[stage][block])
        silence(network, f"{name}.second.0", inner[stage][block], read=True)
        if stage and not block:
            silence(network, f"{name}.shortcut.0", before, read=True)
            for layer in ("shortcut.0", "shortcut.1"):
                silence(network, f"{name}.{layer}", trunk[stage])
        for layer in ("second.0", "second.1"):
            silence(network, f"{name}.{layer}", trunk[stage])
        before = trunk[stage]
    silence(network, "head", before, read=True)
