"""Pictures of neurons that were drawn before: kept as PNG files in the user's cache, under what they were drawn from.

Reading and drawing a neuron takes some twenty times as long as reading its picture. No cache is no error: what cannot be read is drawn
again, what cannot be kept is drawn each time.
"""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np

from edgeneuro.cache import cache_folder
from edgeneuro.data.decode import decode_frame
from edgeneuro.data.swc import decode_swc, read_bytes
from edgeneuro.drawing import Drawing
from edgeneuro.errors import FrameError, OutputError
from edgeneuro.files import canonical_json, sha256, write_bytes
from edgeneuro.records import to_json
from edgeneuro.spec import Frame

ROOM = "drawings"
"""Subfolder of the cache; it may be deleted at any time."""
DRAWN_BY = 1
"""Raised when the same drawing of the same file gives another picture."""

_log = logging.getLogger(__name__)


def read_picture(path: Path, drawing: Drawing) -> Frame:
    """The neuron in the SWC file `path` as `drawing` draws it: (side, side, 3) uint8. Raises FrameError."""
    data = read_bytes(path)
    kept = picture_path(data, drawing)
    picture = _read(kept, drawing.side_px)
    if picture is None:
        picture = drawing(decode_swc(data, str(path)))
        _keep(kept, picture)
    return picture


def picture_path(data: bytes, drawing: Drawing) -> Path:
    """Where the picture of a file with this content is kept."""
    made_of = [sha256(data), to_json(drawing), DRAWN_BY, cv2.__version__]
    return cache_folder() / ROOM / f"{sha256(canonical_json(made_of))}.png"


def _read(path: Path, side_px: int) -> Frame | None:
    try:
        picture = decode_frame(path.read_bytes(), path.name)
    except (OSError, FrameError):
        return None
    return picture if picture.shape == (side_px, side_px, 3) and picture.dtype == np.uint8 else None


def _keep(path: Path, picture: Frame) -> None:
    content = bytes(cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1])
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_bytes(path, content, private=True)
    except (OSError, OutputError) as error:
        _log.info("drawings of neurons are not kept (%s)", error)
