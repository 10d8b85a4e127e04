"""Recogniser of neuron types in pictures: ResNet-18 with feature reconstruction, and a weight of every sample in training.

Source: He F., Wei Y., Feng F., Qian Y. 2023, 10.1051/jnwpu/20234161198, for the parts; the inside of the feature
reconstruction is ours, after the crop-inside-residual unit of Zhang Z., Peng H. 2019, arXiv:1901.01660. Weighting: Wang K. et
al. 2020, arXiv:2002.10392.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from edgeneuro.errors import InputError
from edgeneuro.models.layers import conv_bn, kaiming
from edgeneuro.models.resnet import WIDTHS, stages, stem

FEATURES = WIDTHS[-1]
NARROW = 128
"""Channels between the two 1x1 convolutions of the bottleneck."""
SMALLEST_SIDE = 3
"""Of the last feature map: a rim of one and a centre."""
GATE_SIDE = 7
"""Of the last feature map of a picture of 224 px."""


class Bottleneck(nn.Module):
    """The centre of a feature map, plus features rebuilt from neighbours without padding: rim outputs never exist."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Sequential(conv_bn(FEATURES, NARROW, 1), nn.ReLU())
        self.valid = nn.Sequential(
            nn.Conv2d(NARROW, NARROW, 3, padding=0, bias=False), nn.BatchNorm2d(NARROW), nn.ReLU()
        )
        self.widen = conv_bn(NARROW, FEATURES, 1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 512, height, width) -> (batch, 512, height - 2, width - 2)."""
        rebuilt: Tensor = self.widen(self.valid(self.narrow(x)))
        activated: Tensor = self.relu(rebuilt + x[:, :, 1:-1, 1:-1])
        return activated


class Crop(nn.Module):
    """The centre alone, without weights."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 512, height, width) -> (batch, 512, height - 2, width - 2)."""
        return x[:, :, 1:-1, 1:-1]


class Gate(nn.Module):
    """Every place times a learnt weight, 1 at the start in the centre and 0 in the rim; for feature maps of one size."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.zeros(1, 1, GATE_SIDE, GATE_SIDE)
        weight[:, :, 1:-1, 1:-1] = 1.0
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 512, height, width), same shape. Raises InputError for a map of another size."""
        if x.shape[2:] != self.weight.shape[2:]:
            raise InputError(
                f"morphology: reconstruction gate got a last feature map of {x.shape[2]} x {x.shape[3]} places, expected "
                f"{self.weight.shape[2]} x {self.weight.shape[3]}; give pictures of 224 px, or choose another reconstruction"
            )
        return x * self.weight


def _full() -> nn.Module:
    """One convolution without padding over all channels."""
    return nn.Sequential(nn.Conv2d(FEATURES, FEATURES, 3, padding=0, bias=False), nn.BatchNorm2d(FEATURES), nn.ReLU())


RECONSTRUCTIONS: dict[str, Any] = {
    "bottleneck": Bottleneck,
    "crop": Crop,
    "full": _full,
    "gate": Gate,
    "none": nn.Identity,
}


class MorphologyNet(nn.Module):
    """ResNet-18, feature reconstruction, classifier, and where `quality` a weight of each sample beside the classes.

    The weight multiplies the logits in training and lies above 0, so that it changes no predicted class: what is deployed
    needs it for a quality score alone.
    """

    heads = ("head", "weight_head")

    def __init__(self, classes: int, channels: int, reconstruction: str, quality: bool) -> None:
        super().__init__()
        self.stem = stem(channels)
        self.stages = stages()
        self.reconstruction = RECONSTRUCTIONS[reconstruction]()
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(FEATURES, classes)
        self.weight_head = nn.Linear(FEATURES, 1) if quality else None
        self.apply(kaiming)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logits (batch, class)."""
        logits: Tensor = self.head(self.features(image))
        return logits

    def features(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> (batch, 512), pooled over the places that the reconstruction leaves. Raises
        InputError for pictures so small that it leaves none."""
        maps = self.stages(self.stem(image))
        if min(maps.shape[2:]) < SMALLEST_SIDE:
            raise InputError(
                f"morphology: got pictures of {image.shape[3]} x {image.shape[2]} px, whose last feature map has no centre; "
                "expected at least 65 px a side"
            )
        vector: Tensor = self.pool(self.reconstruction(maps))
        return vector

    def rated(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, channel, height, width) -> logits (batch, class) and weights (batch, 1), above 0 and below 1."""
        assert self.weight_head is not None
        vector = self.features(image)
        return self.head(vector), self.weight_head(vector).sigmoid()

    def without_quality(self) -> MorphologyNet:
        """A copy that gives logits alone; the same ones."""
        copy = deepcopy(self)
        copy.weight_head = None
        return copy


def build(
    *, classes: int, channels: int = 3, reconstruction: str = "bottleneck", quality: bool = False
) -> MorphologyNet:
    """The row `morphology` of the model table: what is deployed.

    reconstruction: of the last feature map, key of RECONSTRUCTIONS. "gate" fits pictures of 224 px alone. quality: give the
    weight of each sample as well, a score from 0 to 1 of how typical it is. Raises InputError for other values.
    """
    if reconstruction not in RECONSTRUCTIONS or type(quality) is not bool:
        raise InputError(
            f"morphology: got reconstruction {reconstruction!r} and quality {quality!r}, expected one of "
            f"{', '.join(RECONSTRUCTIONS)}, and true or false"
        )
    return MorphologyNet(classes, channels, reconstruction, quality)
