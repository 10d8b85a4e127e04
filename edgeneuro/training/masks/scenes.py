"""Whole images and volumes with their masks, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.sample import DataSet
from edgeneuro.errors import DataError
from edgeneuro.preprocess import Preprocess
from edgeneuro.tiled import FULL
from edgeneuro.volume import BACKGROUND, FOREGROUND, IGNORE


@dataclass(frozen=True, kw_only=True)
class Scene:
    """An image or a volume.

    values: ([depth,] height, width), as Preprocess.whole gives them. label: of the same shape: 0, 1 and IGNORE. weight: of its
    voxels in the loss. manual: labelled by a person, or as surely.
    """

    values: NDArray[np.uint16]
    label: NDArray[np.uint8]
    group: str
    weight: float = 1.0
    manual: bool = True

    @cached_property
    def foreground(self) -> NDArray[np.int64]:
        """Places of foreground voxels in the flattened label."""
        return np.flatnonzero(self.label == FOREGROUND)

    def filled(self, tile: tuple[int, ...]) -> Scene:
        """At least as large as a tile: values by reflection, labels with IGNORE; this scene itself where it is."""
        beyond = [(0, max(side - size, 0)) for side, size in zip(tile, self.values.shape, strict=True)]
        if not np.any(beyond):
            return self
        return replace(
            self,
            values=np.pad(self.values, beyond, mode="symmetric"),
            label=np.pad(self.label, beyond, constant_values=IGNORE),
        )


@dataclass(frozen=True, kw_only=True)
class PseudoScenes:
    """Scenes to learn from beside the labelled training part. record: what they were made from, in plain values; a run is resumed
    with the same only."""

    scenes: tuple[Scene, ...]
    record: Mapping[str, Any]


def read_scenes(dataset: DataSet, preprocess: Preprocess, step: Callable[[], None] = lambda: None) -> tuple[Scene, ...]:
    """Every frame of `dataset` with its mask. step: called after each. Raises FrameError; DataError for a mask of another shape, or
    with other labels."""
    scenes = []
    for sample in dataset.samples:
        values, label = preprocess.whole(dataset.read(sample)), dataset.mask(sample)
        if values.shape != label.shape:
            raise DataError(
                f"{sample.source}: has a mask of shape {label.shape}, expected {values.shape}, the frame's; crop both alike"
            )
        other = sorted(set(np.unique(label).tolist()) - {BACKGROUND, FOREGROUND, IGNORE})
        if other:
            raise DataError(
                f"{sample.source}: its mask holds {other[0]}, expected {BACKGROUND}, {FOREGROUND} and {IGNORE}; merge the classes"
            )
        scenes.append(Scene(values=values.astype(np.uint16), label=label.astype(np.uint8), group=sample.group))
        step()
    return tuple(scenes)


def normalised_for(preprocess: Preprocess, scenes: Sequence[Scene]) -> Preprocess:
    """`preprocess` with the mean and standard deviation of `scenes` on the 0..1 scale, counted from histograms. Raises DataError for
    scenes of one grey level."""
    counts = sum((np.bincount(scene.values.ravel(), minlength=FULL + 1) for scene in scenes), np.zeros(FULL + 1))
    level, shares = np.arange(FULL + 1) / FULL, counts / counts.sum()
    mean = float(shares @ level)
    variance = float(shares @ (level - mean) ** 2)
    if not variance:
        raise DataError("training frames: all pixels have the same value; are these the right files?")
    return replace(preprocess, mean=(mean,), std=(variance**0.5,))
