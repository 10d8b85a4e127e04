"""ResNet-18, a well-known network to compare with. Source: He et al. 2016, arXiv:1512.03385."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn

from edgeneuro.models.layers import conv_bn, kaiming

WIDTHS = (64, 128, 256, 512)
"""Channels of each stage."""
STEM = {"conv1": "stem.0.0", "bn1": "stem.0.1"}
BLOCK = {"conv1": "first.0", "bn1": "first.1", "conv2": "second.0", "bn2": "second.1", "downsample": "shortcut"}
"""Parts of the stem and of a block by the names of torchvision and timm -> ours."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; post-activation.

    Source: He et al. 2016, arXiv:1512.03385, figure 5 left; a 1x1 convolution where the shapes differ (option B).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_bn(inputs, outputs, stride=stride)
        self.second = conv_bn(outputs, outputs)
        self.removable = stride == 1 and inputs == outputs
        """The input is added as it is, and comes out of a ReLU, so that the block may be left out."""
        self.shortcut = nn.Identity() if self.removable else conv_bn(inputs, outputs, 1, stride=stride)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, height / stride, width / stride)."""
        residual: Tensor = self.second(self.relu(self.first(x)))
        activated: Tensor = self.relu(residual + self.shortcut(x))
        return activated


def stem(channels: int) -> nn.Sequential:
    """(batch, channels, height, width) -> (batch, 64, height / 4, width / 4)."""
    return nn.Sequential(conv_bn(channels, WIDTHS[0], 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))


def stages() -> nn.Sequential:
    """Four stages of two blocks: (batch, 64, height, width) -> (batch, 512, height / 8, width / 8)."""
    return nn.Sequential(
        *(
            nn.Sequential(ResidualBlock(before, width, 1 if width == WIDTHS[0] else 2), ResidualBlock(width, width, 1))
            for before, width in pairwise((WIDTHS[0], *WIDTHS))
        )
    )


class ResNet18(nn.Module):
    """Four stages of two blocks, 64 to 512 channels. Source: He et al. 2016, arXiv:1512.03385, table 1."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.stem = stem(channels)
        self.stages = stages()
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(WIDTHS[-1], classes)
        self.apply(kaiming)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logits (batch, class)."""
        logits: Tensor = self.head(self.pool(self.stages(self.stem(image))))
        return logits


def build(*, classes: int, channels: int = 1) -> ResNet18:
    """The row `resnet18` of the model table. Weights are drawn, not ImageNet's."""
    return ResNet18(classes, channels)


def from_torchvision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The stem and the stages of a ResNet-18 named as torchvision and timm name them, under our names; its classifier and
    counters are left out, and what is no part of a ResNet-18 keeps its name."""
    return {
        _own_name(name): value
        for name, value in weights.items()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }


def _own_name(name: str) -> str:
    part, _, rest = name.partition(".")
    if part in STEM:
        return f"{STEM[part]}.{rest}"
    found = re.fullmatch(r"layer([1-4])\.([01])\.(\w+)\.(.+)", name)
    if found is None or found[3] not in BLOCK:
        return name
    return f"stages.{int(found[1]) - 1}.{found[2]}.{BLOCK[found[3]]}.{found[4]}"
