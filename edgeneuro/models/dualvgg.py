"""DualVGG: VGG16 and VGG19 side by side, pooled features concatenated, three dense layers.

Ucar 2022, doi:10.1016/j.bspc.2021.103277, after the author's public code, without ImageNet weights.
36,445,828 parameters and 34.857 GMACs for one 3 x 224 x 224 frame.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

VGG16 = (2, 2, 3, 3, 3)
VGG19 = (2, 2, 4, 4, 4)
"""3x3 convolutions in each stage."""
STAGE_WIDTHS = (64, 128, 256, 512, 512)
HEAD_WIDTHS = (1024, 1024, 512, 256)


def vgg_features(depths: tuple[int, ...], channels: int) -> nn.Sequential:
    """The convolutions of a VGG network, max pool after each stage: (batch, channels, h, w) -> (batch, 512, h/32, w/32).

    Layers are numbered as in torchvision's `vgg16().features`.
    """
    layers: list[nn.Module] = []
    for depth, width in zip(depths, STAGE_WIDTHS, strict=True):
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


class DualVGG(nn.Module):
    """The same image into both backbones; everything is trained."""

    def __init__(self, *, classes: int, channels: int = 3) -> None:
        super().__init__()
        self.vgg16 = vgg_features(VGG16, channels)
        self.vgg19 = vgg_features(VGG19, channels)
        dense = (layer for i, o in pairwise(HEAD_WIDTHS) for layer in (nn.Linear(i, o), nn.ReLU()))
        self.head = nn.Sequential(*dense, nn.Linear(HEAD_WIDTHS[-1], classes))
        self.apply(init_layer)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width), 32 px or more a side -> logits (batch, class)."""
        pooled = [backbone(image).mean(dim=(2, 3)) for backbone in (self.vgg16, self.vgg19)]
        logits: Tensor = self.head(torch.cat(pooled, dim=1))
        return logits


def init_layer(module: nn.Module) -> None:
    """He initialisation: without ImageNet weights or batch norm, the default lets the signal die in 16 layers."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        assert module.bias is not None
        nn.init.zeros_(module.bias)


def build(*, classes: int, channels: int = 3) -> DualVGG:
    """The row `myositis-dual` of the model table."""
    return DualVGG(classes=classes, channels=channels)
