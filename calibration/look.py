"""What decides whether a frame is worth calibrating on: how bright, how much contrast, how black, seen before or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Frame

SIDE_PX = 32
"""Of the thumbnail: speckle is averaged out, anatomy and the settings of the scanner stay."""
NEARLY_SAME = 0.05
"""Mean difference of two thumbnails, as a share of their spread, up to which frames of one recording are near-identical.
In us_lung_pocus 15 % of neighbouring frames are; the nearest frames of two different patients differ four times as much."""
BLACK = 16
"""Grey value of 255 below which a pixel is black: what scanners leave between the sector and the border."""
NEAR_BLACK_SHARE = 0.95
"""Share of black pixels from which a frame is near-black: a probe in the air, the gain turned down."""

_THUMBNAIL = Preprocess(height=SIDE_PX, width=SIDE_PX)


@dataclass(frozen=True, eq=False, kw_only=True)
class Look:
    """thumbnail: (SIDE_PX, SIDE_PX) float32 grey, 0..255. The rest is measured on it: brightness and spread are its mean
    and standard deviation (gain raises both, depth darkens), near_black as NEAR_BLACK_SHARE says."""

    thumbnail: NDArray[np.float32]
    brightness: float
    spread: float
    near_black: bool

    def nearly_same(self, other: Look) -> bool:
        """Whether nothing but noise differs between this frame and `other`."""
        difference = float(np.abs(self.thumbnail - other.thumbnail).mean())
        return difference <= NEARLY_SAME * min(self.spread, other.spread)


def picture(data: DataSet, sample: Sample) -> Frame:
    """What `look_at` takes of a frame: itself. Of a tile, which may be a volume and small: the largest value along the depth,
    (height, width), filled up by reflection to SIDE_PX. Raises FrameError."""
    frame = data.read(sample)
    if data.tile is None:
        return frame
    above: Frame = frame.max(axis=0) if len(data.tile) == 3 else frame
    return np.pad(above, [(0, max(0, SIDE_PX - side)) for side in above.shape], mode="symmetric")


def look_at(frame: Frame) -> Look:
    """frame: as Preprocess takes it, of any depth and size. Raises FrameError."""
    thumbnail = _THUMBNAIL.resize(frame).astype(np.float32)
    return Look(
        thumbnail=thumbnail,
        brightness=float(thumbnail.mean()),
        spread=float(thumbnail.std()),
        near_black=float((thumbnail < BLACK).mean()) >= NEAR_BLACK_SHARE,
    )
