"""Masks and output arrays as files, one a frame, each written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgeneuro.data.arrays import encode_npz
from edgeneuro.errors import OutputError, UsageError
from edgeneuro.files import write_bytes
from edgeneuro.manifest import Task
from edgeneuro.runtime.postprocess import Result, Segmentation, TensorOutputs
from edgeneuro.runtime.sources import SourceFrame
from edgeneuro.spec import Array

FULL = 255
"""Pixel value of the foreground in a mask of two classes, so that people see it; more classes are written as numbers."""


class ResultFolder:
    """Where the masks (PNG) or outputs (.npz) of a run go, named like their frames.

    path: the folder; made when the first file is. A frame of a folder named by the user keeps its path below that
    folder. A frame within a file adds its number; a name that comes again in the same run adds -2, -3, ...
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        """Raises OutputError when `path` is a file, or a folder that holds something and `force` is not given."""
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path}: is a file, expected a folder; choose another --out")
        if path.exists() and any(path.iterdir()) and not force:
            raise OutputError(f"{path}: is not empty; give --force to write into it, or another --out")
        self.path = path
        self._taken: set[Path] = set()

    def write(self, result: Result, item: SourceFrame, classes: int) -> Path:
        """The file with the mask or the outputs of `result`. classes: of the mask. Raises OutputError."""
        if isinstance(result, Segmentation):
            path, content = self._free(item, ".png"), encode_mask(result.mask, classes)
        elif isinstance(result, TensorOutputs):
            path, content = self._free(item, ".npz"), encode_npz(result.outputs)
        else:
            raise UsageError(f"--out {self.path}: a classification has no files to write; use --json")
        write_bytes(path, content)
        return path

    def _free(self, item: SourceFrame, suffix: str) -> Path:
        """A name no other frame of this run has."""
        stem = item.name.with_suffix("")
        if item.index:
            stem = stem.with_name(f"{stem.name}_{item.index}")
        inside = Path(*(part for part in stem.parts if part not in ("..", stem.anchor)))
        name, again = inside.with_name(inside.name + suffix), 1
        while name in self._taken:
            again += 1
            name = inside.with_name(f"{inside.name}-{again}{suffix}")
        self._taken.add(name)
        return self.path / name


def check_out(task: Task, out: Path | None) -> None:
    """Raise UsageError for a folder that would stay empty, and for results that have nowhere to go."""
    if task == "classification" and out is not None:
        raise UsageError(f"--out {out}: this engine gives classes, and no files to write; leave it out and use --json")
    if task == "tensors" and out is None:
        raise UsageError("--out is needed: this engine gives arrays; name a folder for one .npz a frame")


def encode_mask(mask: Array, classes: int) -> bytes:
    """PNG of a (height, width) mask: two classes as 0 and 255, more as their numbers."""
    pixels = mask * np.uint8(FULL) if classes == 2 else mask
    return bytes(cv2.imencode(".png", pixels)[1])
