"""Tiny networks for neurites, their checkpoints, and images and volumes of bright lines, made in a moment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edgeneuro.data.make_split import make_split
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.manifest import DataIdentity
from edgeneuro.models.build import build_model
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Array
from edgeneuro.tiled import FULL, Tiled
from edgeneuro.training.checkpoint import write_checkpoint
from tests.checkpoints import checkpoint_config

CLASSES = ("background", "neurite")
GROUPS = 8
OPTIONS: Mapping[str, int] = {"width": 2, "levels": 2}
TILES: Mapping[int, tuple[int, ...]] = {2: (16, 16), 3: (4, 8, 8)}
"""By dimensions."""


def lines(dimensions: int, groups: int = GROUPS) -> DataSet:
    """One frame a group, half as large again as a tile: bright straight lines along the last axis on noise, uint8."""
    shape = tuple(side + side // 2 for side in TILES[dimensions])
    masks = [np.zeros(shape, np.uint8) for _ in range(groups)]
    plane = (2,) if dimensions == 3 else ()
    for number, mask in enumerate(masks):
        mask[(*plane, 1 + number % 4)] = 1
        mask[(*plane, -2)] = 1
    rng = np.random.default_rng(0)
    frames = [np.clip(60 + 150 * mask + rng.normal(0, 15, shape), 0, 255).astype(np.uint8) for mask in masks]
    samples = tuple(Sample(source=f"{i}.tif", index=0, target=None, group=f"cell {i}") for i in range(groups))

    def read(sample: Sample) -> Array:
        return frames[int(sample.source.removesuffix(".tif"))]

    def mask_of(sample: Sample) -> Array:
        return masks[int(sample.source.removesuffix(".tif"))]

    return DataSet(name="lines", classes=CLASSES, samples=samples, reader=read, mask_reader=mask_of)


def preprocess(dimensions: int) -> Preprocess:
    tile = TILES[dimensions]
    return Preprocess(
        height=tile[-2],
        width=tile[-1],
        depth=tile[0] if dimensions == 3 else None,
        bit_depth=16,
        max_value=float(FULL),
        mean=(0.35,),
        std=(0.25,),
        tiled=Tiled(),
    )


def network(dimensions: int, seed: int = 0) -> nn.Module:
    """Fitted for a few steps, so that it finds bright voxels and its batch normalisation holds real statistics."""
    torch.manual_seed(seed)
    data, view = lines(dimensions, groups=4), preprocess(dimensions)
    net = build_model(f"segmentation-{dimensions}d", classes=2, channels=1, **OPTIONS)
    cut = tuple(slice(0, side) for side in view.tile)
    images = torch.from_numpy(np.stack([view(view.whole(data.read(one))[cut]) for one in data.samples]))
    masks = torch.from_numpy(np.stack([data.mask(one)[cut][None].astype(np.float32) for one in data.samples]))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(net(images), masks).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return net.eval()


def write_neurite_checkpoint(folder: Path, dimensions: int) -> Path:
    """`network`, with a split of `lines` by group."""
    data = lines(dimensions)
    config = checkpoint_config(
        model=f"segmentation-{dimensions}d",
        options=dict(OPTIONS),
        classes=CLASSES,
        preprocess=preprocess(dimensions),
        trained_on=DataIdentity.of(data),
        data="lines",
    )
    split = make_split(data, fold=0, seed=0)
    write_checkpoint(folder, network=network(dimensions), config=config, metrics={}, split=split)
    return folder
