"""Masks of labelled pixels: an image of class numbers beside each frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeneuro.data.decode import read_frame
from edgeneuro.errors import DataError
from edgeneuro.spec import Array, Frame
from edgeneuro.volume import BACKGROUND, FOREGROUND, IGNORE

TWO_CLASSES = ("background", "foreground")
"""Of a set of masks that names no classes."""


def refuse_other_size(mask: Array, frame: Frame, name: str) -> None:
    """Raise DataError where `mask` has not the sides of `frame`, of a sample called `name`."""
    if mask.shape != frame.shape[: mask.ndim]:
        raise DataError(
            f"{name}: has a mask of {mask.shape}, expected {frame.shape[: mask.ndim]}; crop and turn both alike"
        )


def read_mask(path: Path, classes: int) -> Array:
    """(height, width) uint8, the class number of every pixel.

    classes: with two, everything above 0 is class 1, so that 0/1 and 0/255 masks both serve; of a mask with all of 0, 1 and
    255, 255 is IGNORE. With more, pixel values are class numbers. Raises FrameError for what cannot be read, DataError for a mask in colour or with other values.
    """
    pixels = read_frame(path)
    if pixels.ndim != 2 or pixels.dtype.kind == "f":
        raise DataError(f"{path}: has shape {pixels.shape} of {pixels.dtype}, expected one channel of class numbers")
    values = np.unique(pixels)
    if classes == 2 and np.array_equal(values, (BACKGROUND, FOREGROUND, IGNORE)):
        return pixels.astype(np.uint8)
    if classes == 2 and len(values) > 2:
        raise DataError(
            f"{path}: holds {len(values)} values ({', '.join(map(str, values[:4]))}, ...), expected two; save masks as PNG, "
            "and name more classes in dataset.json if there are more"
        )
    if classes == 2:
        return (pixels > 0).astype(np.uint8)
    if int(values[-1]) >= classes:
        raise DataError(f"{path}: holds the value {values[-1]}, expected class numbers below {classes}")
    return pixels.astype(np.uint8)
