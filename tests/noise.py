"""A labelled folder of two kinds of noise, dark and bright, that a small network tells apart within an epoch or two."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

LEVELS = (("dark", 60), ("bright", 110))


def write_noise(folder: Path, *, side: int, groups: int, frames: int, folds: int = 0) -> None:
    """`groups` a class with `frames` each, of `side` x `side` px; with `folds`, a column of that name. Always the same."""
    rng = np.random.default_rng(0)
    rows = ["file,label,group_id" + (",fold" if folds else "")]
    for label, level in LEVELS:
        for group in range(groups):
            for frame in range(frames):
                name = f"{label}-{group}-{frame}.png"
                pixels = np.clip(rng.normal(level, 40, (side, side)), 0, 255).astype(np.uint8)
                cv2.imwrite(str(folder / name), pixels)
                rows.append(f"{name},{label},{label}-{group}" + (f",{group % folds}" if folds else ""))
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
