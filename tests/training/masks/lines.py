"""Bright lines in noise, with their masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.training.masks.scenes import Scene
from edgeneuro.training.settings import TrainSettings


def line_image(number: int, shape: tuple[int, int] = (40, 48)) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(height, width) grey values, and the mask, 0 and 1."""
    rng, mask = np.random.default_rng(number), np.zeros(shape, np.uint8)
    ends = [(int(x), int(y)) for y, x in rng.integers(0, shape, (2, 2))]
    cv2.line(mask, ends[0], ends[1], 1, 2)
    return np.clip(rng.normal(60, 15, shape) + 120 * mask, 0, 255).astype(np.uint8), mask


def write_lines(folder: Path, images: int = 6) -> Path:
    """images/ and masks/, every image its own group."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(images):
        image, mask = line_image(number)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), image)
        cv2.imwrite(str(folder / "masks" / f"{number}.png"), mask * 255)
    return folder


def line_volumes(volumes: int = 4, planes: int = 10) -> DataSet:
    """Volumes of one line image, repeated in every plane; the last plane is IGNORE."""

    def read(sample: Sample) -> NDArray[np.uint8]:
        return np.repeat(line_image(sample.index)[0][None], planes, 0)

    def mask(sample: Sample) -> NDArray[np.uint8]:
        label = np.repeat(line_image(sample.index)[1][None], planes, 0)
        label[-1] = 255
        return label

    samples = tuple(
        Sample(source=f"{number}.tif", index=number, target=None, group=f"v{number}") for number in range(volumes)
    )
    return DataSet(name="lines", classes=("background", "neurite"), samples=samples, reader=read, mask_reader=mask)


def scene(label: NDArray[np.uint8], *, group: str = "a", weight: float = 1.0, manual: bool = True) -> Scene:
    """With values that say where each voxel was."""
    values = np.arange(label.size, dtype=np.uint16).reshape(label.shape)
    return Scene(values=values, label=label, group=group, weight=weight, manual=manual)


def tiny_settings(folder: Path, *, epochs: int) -> TrainSettings:
    """Crops of 32 px, two levels of two channels."""
    return TrainSettings(
        model="segmentation-2d",
        data=str(folder),
        epochs=epochs,
        batch_size=4,
        image_size=32,
        options={"width": 2, "levels": 2},
    )
