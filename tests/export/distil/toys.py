"""A teacher and a student small enough to be trained and exported in a moment, and noise that they tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from edgeneuro.models import MODELS, ModelEntry
from edgeneuro.training.fit import train
from edgeneuro.training.settings import TrainSettings

SIDE = 32
CLASSES = ("bright", "dark")


class Large(nn.Module):
    """Three convolutions of stride 2, a mean, a head."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        widths = (channels, 8, 12, 16)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
                for inputs, outputs in pairwise(widths)
            )
        )
        self.head = nn.Linear(16, classes)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channel, height, width) -> logits (batch, class)."""
        logits: Tensor = self.head(self.stages(image).mean((2, 3)))
        return logits


def build(*, classes: int, channels: int) -> Large:
    """As the model table calls it."""
    return Large(classes, channels)


@contextmanager
def in_the_table() -> Iterator[None]:
    """`small` and `large` as models of the table."""
    table = cast(dict[str, ModelEntry], MODELS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(table, "small", ModelEntry(name="small", title="", builder="tests.export.qat_toy:build"))
        patch.setitem(table, "large", ModelEntry(name="large", title="", builder="tests.export.distil.toys:build"))
        yield


LEVELS: Mapping[str, int] = {"dark": 60, "bright": 110}
"""Class -> mean grey value."""


def write_noise(
    folder: Path, *, levels: Mapping[str, int] = LEVELS, groups: int = 5, frames: int = 3, seed: int = 0
) -> None:
    """Grey frames of 32 px, `groups` of each class with `frames` frames, and their table."""
    rng = np.random.default_rng(seed)
    rows = ["file,label,group_id"]
    for label, level in levels.items():
        for group in range(groups):
            for frame in range(frames):
                name = f"{label}-{group}-{frame}.png"
                pixels = np.clip(rng.normal(level, 40, (SIDE, SIDE)), 0, 255).astype(np.uint8)
                assert cv2.imwrite(str(folder / name), pixels)
                rows.append(f"{name},{label},{label}-{group}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


def train_toy(model: str, data: Path, out: Path, *, epochs: int = 3) -> Path:
    """A checkpoint of `model`, of fold 1, so that it is not the fold which is taken where nothing is said."""
    settings = TrainSettings(
        model=model, data=str(data), fold=1, seed=3, epochs=epochs, batch_size=8, image_size=SIDE, learning_rate=0.01
    )
    train(settings, out, threads=1)
    return out


def write_onnx(graph: onnx.ModelProto, file: Path, *, batch: int | None = None) -> Path:
    """`graph` as somebody's file, which says nothing of classes, data or preprocessing. batch: the only number of images
    that it takes, any where None."""
    own = onnx.ModelProto.FromString(graph.SerializeToString())
    if batch is not None:
        for item in (*own.graph.input, *own.graph.output):
            item.type.tensor_type.shape.dim[0].dim_value = batch
    file.write_bytes(own.SerializeToString())
    return file


def images(count: int) -> Tensor:
    """(count, 1, 32, 32) of noise."""
    return torch.randn(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
