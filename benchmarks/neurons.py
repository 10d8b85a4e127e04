"""Frames with masks: the live neurons of neuron_pfc_pn, in parts that share no block."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.decode import read_frame
from edgeneuro.errors import DataError
from edgeneuro.metrics import mask_scores, mean_of_classes
from edgeneuro.preprocess import Preprocess

NAME = "neuron_pfc_pn"
SIZE = Preprocess(height=192, width=256)
"""Of 480 x 640 px."""

VALIDATION_BLOCKS = 2


@dataclass(frozen=True, kw_only=True)
class Masked:
    """Resized frames with their masks.

    pixels: (frame, height, width) uint8. masks: the same shape, 0 or 1. groups: block of each frame.
    """

    pixels: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.groups)

    def take(self, rows: Sequence[int]) -> Masked:
        """Only these frames, in this order."""
        chosen = list(rows)
        return Masked(
            pixels=self.pixels[chosen], masks=self.masks[chosen], groups=tuple(self.groups[row] for row in chosen)
        )


def read_neurons(folder: Path, *, fold: int, seed: int) -> dict[str, Masked]:
    """Parts "training", "validation", "test" of the set in `folder`, no block in two of them.

    fold: the table's, becomes the test part; validation is VALIDATION_BLOCKS seeded blocks of the others.
    A mask pixel is set where at least half of its area is. Raises DataError.
    """
    table = folder / "labels.csv"
    if not table.is_file():
        raise DataError(f"{folder}: has no labels.csv, expected the set {NAME}; give the folder that holds it")
    with table.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    whole = Masked(
        pixels=np.stack([SIZE.resize(read_frame(folder / row["file"])) for row in rows]),
        masks=np.stack([_read_mask(folder / row["mask"]) for row in rows]),
        groups=tuple(row["block_id"] for row in rows),
    )
    test = {row["block_id"] for row in rows if int(row["fold"]) == fold}
    others = sorted({row["block_id"] for row in rows} - test)
    if not test or len(others) <= VALIDATION_BLOCKS:
        raise DataError(f"{NAME}: fold {fold} leaves {len(others)} blocks beside the test part; choose another fold")
    validation = set(np.random.default_rng(seed).choice(others, VALIDATION_BLOCKS, replace=False).tolist())
    parts = {"test": test, "validation": validation, "training": set(others) - validation}
    return {
        name: whole.take([i for i, group in enumerate(whole.groups) if group in members])
        for name, members in parts.items()
    }


def dice(predicted: NDArray[np.bool_], masks: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(frame,) Dice of each frame. predicted, masks: (frame, height, width)."""
    scores = [mask_scores(mask, found.astype(np.uint8), 2).dice for found, mask in zip(predicted, masks, strict=True)]
    return mean_of_classes(np.stack(scores))


def _read_mask(path: Path) -> NDArray[np.uint8]:
    drawn = (read_frame(path) > 0).astype(np.float32)
    share = cv2.resize(drawn, (SIZE.width, SIZE.height), interpolation=cv2.INTER_AREA)
    mask: NDArray[np.uint8] = (share >= 0.5).astype(np.uint8)
    return mask
