"""Three well-known networks in plain PyTorch, for measuring quantisation beside this project's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn


def conv_bn(inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution without bias, then batch normalisation; odd kernels keep the size, divided by `stride`."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; post-activation.

    Source: He et al. 2016, arXiv:1512.03385, figure 5 left; a 1x1 convolution where the shapes differ (option B).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_bn(inputs, outputs, stride=stride)
        self.second = conv_bn(outputs, outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv_bn(inputs, outputs, 1, stride=stride)
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
        kaiming(self)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logits (batch, class)."""
        logits: Tensor = self.head(self.pool(self.stages(self.stem(image))))
        return logits


class InvertedResidual(nn.Module):
    """1x1 up, depthwise 3x3, 1x1 down without activation, and a shortcut where the shapes agree.

    Source: Sandler et al. 2018, arXiv:1801.04381, table 1.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        up = [conv_bn(inputs, hidden, 1), nn.ReLU6()] if expansion > 1 else []
        depthwise = [conv_bn(hidden, hidden, stride=stride, groups=hidden), nn.ReLU6()]
        self.layers = nn.Sequential(*up, *depthwise, conv_bn(hidden, outputs, 1))
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, height / stride, width / stride)."""
        y: Tensor = self.layers(x)
        return x + y if self.shortcut else y


class MobileNetV2(nn.Module):
    """Seventeen inverted residuals. Source: Sandler et al. 2018, arXiv:1801.04381, table 2, width 1.0."""

    ROWS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    """Expansion, output channels, blocks, stride of the first."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn(channels, 32, stride=2), nn.ReLU6()]
        before = 32
        for expansion, width, blocks, stride in self.ROWS:
            for block in range(blocks):
                layers.append(InvertedResidual(before, width, 1 if block else stride, expansion))
                before = width
        self.features = nn.Sequential(*layers, conv_bn(before, 1280, 1), nn.ReLU6())
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(1280, classes)
        kaiming(self)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logits (batch, class)."""
        logits: Tensor = self.head(self.pool(self.features(image)))
        return logits


class UNet(nn.Module):
    """Encoder and decoder with skips by concatenation, two 3x3 convolutions a level.

    Source: Ronneberger et al. 2015, arXiv:1505.04597, figure 1; here padded, with batch normalisation, four levels,
    and ConvTranspose 2x2 upwards. `classes` is the number of output planes; height and width must be multiples of 8.
    """

    WIDTHS = (32, 64, 128, 256)

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.down = nn.ModuleList([double(before, width) for before, width in pairwise((channels, *self.WIDTHS))])
        self.pool = nn.MaxPool2d(2)
        upwards = list(pairwise(self.WIDTHS[::-1]))
        self.grow = nn.ModuleList([nn.ConvTranspose2d(wide, narrow, 2, stride=2) for wide, narrow in upwards])
        self.up = nn.ModuleList([double(2 * narrow, narrow) for _, narrow in upwards])
        self.head = nn.Conv2d(self.WIDTHS[0], classes, 1)
        kaiming(self)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logits (batch, plane, height, width)."""
        skips: list[Tensor] = []
        x = image
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        skips.pop()
        for grow, block in zip(self.grow, self.up, strict=True):
            x = block(torch.cat([skips.pop(), grow(x)], 1))
        logits: Tensor = self.head(x)
        return logits


def double(inputs: int, outputs: int) -> nn.Sequential:
    """Twice convolution, batch normalisation and ReLU."""
    return nn.Sequential(conv_bn(inputs, outputs), nn.ReLU(), conv_bn(outputs, outputs), nn.ReLU())


def kaiming(network: nn.Module) -> None:
    """Convolutions drawn for the ReLU behind them. Source: He et al. 2015, arXiv:1502.01852, fan-out."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


NETS: Mapping[str, Callable[[int, int], nn.Module]] = {
    "resnet18": ResNet18,
    "mobilenet-v2": MobileNetV2,
    "unet": UNet,
}
"""Name -> builder of (classes, channels)."""
