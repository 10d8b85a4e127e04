"""ResNet-18, a well-known network to compare with. Source: He et al. 2016, arXiv:1512.03385."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from edgeneuro.models.layers import conv_bn, kaiming


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


class ResNet18(nn.Module):
    """Four stages of two blocks, 64 to 512 channels. Source: He et al. 2016, arXiv:1512.03385, table 1."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(channels, 64, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        widths = (64, 64, 128, 256, 512)
        stages = [
            nn.Sequential(ResidualBlock(before, width, 1 if width == 64 else 2), ResidualBlock(width, width, 1))
            for before, width in pairwise(widths)
        ]
        self.stages = nn.Sequential(*stages)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(512, classes)
        self.apply(kaiming)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logits (batch, class)."""
        logits: Tensor = self.head(self.pool(self.stages(self.stem(image))))
        return logits


def build(*, classes: int, channels: int = 1) -> ResNet18:
    """The row `resnet18` of the model table. Weights are drawn, not ImageNet's."""
    return ResNet18(classes, channels)
