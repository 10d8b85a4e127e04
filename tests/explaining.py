"""A small network that explains itself, to export and to quantise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES, SIDE = 3, 32
PARAMETERS = 16 * 9 + 2 * 16 + 16 * 9 + 2 * 16 + 16 * 24 + 2 * 24 + 24 * CLASSES + CLASSES
"""Stem, depthwise and pointwise convolutions with their normalisations, classifier, bias."""
MACS = 16 * 16 * 16 * 9 + 8 * 8 * 16 * 9 + 8 * 8 * 16 * 24 + 8 * 8 * 24 * CLASSES
"""Of a frame of 1 x 32 x 32: the same layers, at half and a quarter of its sides."""


class Explaining(nn.Module):
    """Two strides of two, then the classifier as a 1x1 convolution: maps of 8 x 8 places."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(),
            nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(),
            nn.Conv2d(16, 24, 1, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU6(),
        )
        self.classifier = nn.Conv2d(24, CLASSES, 1, bias=False)
        self.bias = nn.Parameter(torch.linspace(-0.5, 0.5, CLASSES))

    def class_maps(self, image: Tensor) -> Tensor:
        """(batch, 1, 32, 32) -> (batch, class, 8, 8)."""
        maps: Tensor = self.classifier(self.features(image))
        return maps

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, 32, 32) -> logits (batch, class)."""
        return self.class_maps(image).mean((2, 3)) + self.bias
