"""Small folders of frames for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.spec import Frame


def speckle(seed: int, height: int = 40, width: int = 48) -> Frame:
    """(height, width) uint8, another picture for every seed."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.rayleigh(60, (height, width)), 0, 255).astype(np.uint8)


def png(frame: Frame) -> bytes:
    """`frame`, grey or RGB, as the content of a PNG file."""
    return bytes(cv2.imencode(".png", frame if frame.ndim == 2 else frame[:, :, ::-1])[1])


def write_frames(folder: Path, names: Sequence[str], first_seed: int = 0) -> None:
    """A different PNG under each name."""
    for seed, name in enumerate(names, start=first_seed):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(speckle(seed)))


def write_table(folder: Path, lines: Sequence[str], table: str = "labels.csv") -> None:
    """A CSV file of `lines`, the first with the names of the columns."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / table).write_text("\n".join(lines) + "\n", encoding="utf-8")


def in_memory(groups: Sequence[tuple[str, str, int]], folds: Sequence[int | None] = ()) -> DataSet:
    """A data set of (group, class, frames) rows; frames differ from one another. folds: one a row."""
    classes = tuple(sorted({label for _, label, _ in groups}))
    samples = [
        Sample(source=f"{group}-{row}-{i}.png", index=0, target=classes.index(label), group=group, fold=fold)
        for row, ((group, label, frames), fold) in enumerate(zip(groups, folds or [None] * len(groups), strict=True))
        for i in range(frames)
    ]
    return DataSet(name="memory", classes=classes, samples=tuple(samples), reader=partial(_by_name, samples))


def _by_name(samples: Sequence[Sample], sample: Sample) -> Frame:
    return speckle([one.source for one in samples].index(sample.source))
