"""Batches of crops: drawn anew in every epoch for training, lying beside each other for validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from edgeneuro.preprocess import Preprocess
from edgeneuro.tiles import Region, Tiling
from edgeneuro.training.frames import as_is
from edgeneuro.training.masks.augment import CropAugmentation
from edgeneuro.training.masks.scenes import Scene
from edgeneuro.training.settings import MaskSettings

MaskBatch = tuple[Tensor, Tensor, Tensor]
"""(batch, 1, [depth,] height, width) float32; uint8 labels of the same shape; weights (batch, 1, [1,] 1, 1) float32."""


class CropBatches(Dataset[Any]):
    """Random crops, each with a generator of its own for (seed, epoch, number), so that a resumed run repeats an uninterrupted one.

    An epoch has about as many as tiles would cover the scenes, in whole batches, at least one. The first of a batch come from
    manual scenes, the rest from all, large scenes more often than small ones. epoch: the number of the current one when called.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        preprocess: Preprocess,
        settings: MaskSettings,
        *,
        batch_size: int,
        seed: int,
        epoch: Callable[[], int],
        augment: CropAugmentation,
    ) -> None:
        self.scenes = [scene.filled(preprocess.tile) for scene in scenes]
        self.preprocess, self.settings, self.augment = preprocess, settings, augment
        self.batch_size, self.seed, self.epoch = batch_size, seed, epoch
        tiles = np.array([len(list(Tiling.beside(scene.label.shape, preprocess.tile))) for scene in self.scenes])
        manual = tiles * [scene.manual for scene in self.scenes]
        self.of_all, self.of_manual = tiles / tiles.sum(), manual / manual.sum()
        self.crops = max(1, round(int(tiles.sum()) / batch_size)) * batch_size

    def __len__(self) -> int:
        return self.crops

    def __getitems__(self, rows: Sequence[int]) -> MaskBatch:
        """One whole batch; the loader's collate function has nothing left to do."""
        return to_batch(map(self.crop, rows), self.preprocess)

    def crop(self, row: int) -> Scene:
        """Number `row` of this epoch."""
        rng = np.random.default_rng((self.seed, self.epoch(), row))
        manual = row % self.batch_size < math.ceil(self.settings.manual_share * self.batch_size)
        scene = self.scenes[rng.choice(len(self.scenes), p=self.of_manual if manual else self.of_all)]
        region = self.place(scene, rng)
        values, label = self.augment(scene.values[region], scene.label[region], rng)
        return Scene(values=values, label=label, group=scene.group, weight=scene.weight, manual=scene.manual)

    def place(self, scene: Scene, rng: np.random.Generator) -> Region:
        """Where to cut: anywhere, or, in a share of the crops, anywhere that holds a foreground voxel drawn at random."""
        tile, shape = np.array(self.preprocess.tile), np.array(scene.label.shape)
        low, high = np.zeros_like(tile), shape - tile
        if rng.random() < self.settings.foreground_share and len(scene.foreground):
            voxel = np.array(np.unravel_index(rng.choice(scene.foreground), scene.label.shape))
            low, high = np.maximum(low, voxel - tile + 1), np.minimum(high, voxel)
        start = rng.integers(low, high + 1)
        return tuple(slice(int(a), int(a + n)) for a, n in zip(start, tile, strict=True))


class TileBatches(Dataset[Any]):
    """Scenes in tiles beside each other, as they are; the last ones of a scene overlap those before."""

    def __init__(self, scenes: Sequence[Scene], preprocess: Preprocess) -> None:
        self.scenes = [scene.filled(preprocess.tile) for scene in scenes]
        self.preprocess = preprocess
        self.places = [
            (scene, region) for scene in self.scenes for region in Tiling.beside(scene.label.shape, preprocess.tile)
        ]

    def __len__(self) -> int:
        return len(self.places)

    def __getitems__(self, rows: Sequence[int]) -> MaskBatch:
        """One whole batch."""
        return to_batch(map(self.tile, rows), self.preprocess)

    def tile(self, row: int) -> Scene:
        """Number `row`."""
        scene, region = self.places[row]
        return Scene(values=scene.values[region], label=scene.label[region], group=scene.group, weight=scene.weight)


def to_batch(crops: Iterable[Scene], preprocess: Preprocess) -> MaskBatch:
    """crops: all of the size of a tile."""
    crops = list(crops)
    images = np.stack([preprocess(crop.values) for crop in crops])
    labels = np.stack([crop.label[None] for crop in crops])
    weights = torch.tensor([crop.weight for crop in crops], dtype=torch.float32)
    return torch.from_numpy(images), torch.from_numpy(labels), weights.reshape(-1, *[1] * (images.ndim - 1))


class MaskData(lightning.LightningDataModule):
    """Training scenes in random crops, validation scenes in tiles."""

    def __init__(
        self,
        *,
        training: Sequence[Scene],
        validation: Sequence[Scene],
        preprocess: Preprocess,
        settings: MaskSettings,
        batch_size: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.training = CropBatches(
            training,
            preprocess,
            settings,
            batch_size=batch_size,
            seed=seed,
            epoch=self.epoch,
            augment=CropAugmentation(),
        )
        self.validation = TileBatches(validation, preprocess)

    def epoch(self) -> int:
        """Of the trainer, from 0."""
        assert self.trainer is not None
        return self.trainer.current_epoch

    def train_dataloader(self) -> DataLoader[Any]:
        """The crops of an epoch in order: they are drawn at random already."""
        return DataLoader(self.training, batch_size=self.batch_size, collate_fn=as_is)

    def val_dataloader(self) -> DataLoader[Any]:
        """Every validation tile once."""
        return DataLoader(self.validation, batch_size=self.batch_size, collate_fn=as_is)
