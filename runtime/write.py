"""Masks, output arrays and overlays as files, one a frame, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edgeneuro.data.arrays import encode_npz
from edgeneuro.data.volumes.tiff_writing import encode_tiff
from edgeneuro.errors import OutputError, UsageError
from edgeneuro.files import write_bytes
from edgeneuro.manifest import Task
from edgeneuro.neuron import Neuron
from edgeneuro.runtime.overlay import overlay
from edgeneuro.runtime.postprocess import Result, Segmentation, TensorOutputs
from edgeneuro.runtime.sources import SourceFrame
from edgeneuro.spec import Array, Item
from edgeneuro.volume import UNKNOWN_SPACING, Volume

FULL = 255
"""Pixel value of the foreground in a mask of two classes, so that people see it; more classes are written as numbers."""


class FrameFolder:
    """A folder with a file for each frame of a run, named like it.

    path: the folder; made when the first file is. A frame of a folder named by the user keeps its path below that
    folder. A frame within a file adds its number; a name that comes again in the same run adds -2, -3, ...
    """

    option = "--out"

    def __init__(self, path: Path, *, force: bool = False) -> None:
        """Raises OutputError when `path` is a file, or a folder that holds something and `force` is not given."""
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path}: is a file, expected a folder; choose another {self.option}")
        if path.exists() and any(path.iterdir()) and not force:
            raise OutputError(f"{path}: is not empty; give --force to write into it, or another {self.option}")
        self.path = path
        self._taken: set[Path] = set()

    def _put(self, item: SourceFrame, suffix: str, content: bytes) -> Path:
        """Write `content`; returns the file. Raises OutputError."""
        path = self._free(item, suffix)
        if path.exists() and path.samefile(item.source):
            raise OutputError(f"{path}: is the frame itself, which is not overwritten; choose another {self.option}")
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


class ResultFolder(FrameFolder):
    """Where the masks (PNG, of volumes TIFF stacks) or outputs (.npz) of a run go."""

    def write(self, result: Result, item: SourceFrame, classes: int) -> Path:
        """The file with the mask or the outputs of `result`. classes: of the mask. Raises OutputError."""
        if isinstance(result, Segmentation) and result.mask.ndim == 3:
            mask = Volume(
                voxels=_for_people(result.mask, classes),
                spacing_um=item.spacing_um or UNKNOWN_SPACING,
                spacing_known=item.spacing_um is not None,
            )
            return self._put(item, ".tif", encode_tiff(mask))
        if isinstance(result, Segmentation):
            return self._put(item, ".png", encode_mask(result.mask, classes))
        if isinstance(result, TensorOutputs):
            return self._put(item, ".npz", encode_npz(result.outputs))
        raise UsageError(f"--out {self.path}: a classification has no files to write; use --json")


class OverlayFolder(FrameFolder):
    """Where the pictures (PNG) of a run go."""

    option = "--overlay"

    def write(self, result: Result, item: SourceFrame, seen: Item, classes: Sequence[str]) -> Path:
        """The file with `result` drawn over `seen`, the frame or the picture of the neuron that the engine looked at.
        classes: the manifest's. Raises OutputError, UsageError."""
        if not isinstance(seen, np.ndarray):
            raise UsageError(f"--overlay {self.path}: {item.source} is no picture; leave it out")
        neuron = item.item if isinstance(item.item, Neuron) else None
        picture = cv2.cvtColor(overlay(seen, result, classes, neuron), cv2.COLOR_RGB2BGR)
        return self._put(item, ".png", bytes(cv2.imencode(".png", picture)[1]))


def check_out(task: Task, out: Path | None) -> None:
    """Raise UsageError for a folder that would stay empty, and for results that have nowhere to go."""
    if task == "classification" and out is not None:
        raise UsageError(f"--out {out}: this engine gives classes, and no files to write; leave it out and use --json")
    if task == "tensors" and out is None:
        raise UsageError("--out is needed: this engine gives arrays; name a folder for one .npz a frame")


def encode_mask(mask: Array, classes: int) -> bytes:
    """PNG of a (height, width) mask: two classes as 0 and 255, more as their numbers."""
    return bytes(cv2.imencode(".png", _for_people(mask, classes))[1])


def _for_people(mask: Array, classes: int) -> Array:
    """Two classes as 0 and 255, more as their numbers."""
    return mask * np.uint8(FULL) if classes == 2 else mask
