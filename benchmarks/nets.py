"""Well-known networks in plain PyTorch, for measuring quantisation beside this project's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from edgeneuro.models.layers import conv_bn, kaiming
from edgeneuro.models.mobilenet import MobileNetV2
from edgeneuro.models.resnet import ResNet18


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
        self.apply(kaiming)

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


NETS: Mapping[str, Callable[[int, int], nn.Module]] = {
    "resnet18": ResNet18,
    "mobilenet-v2": MobileNetV2,
    "unet": UNet,
}
"""Name -> builder of (classes, channels)."""
