"""What a segmentation missed and what it found that is not there: counted, and drawn over the frame.

Colours are those of Okabe and Ito, told apart by people with any colour vision. Lines lie beside the border, the label's outside of
it and the network's inside, so that both are seen where they agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeneuro.runtime.overlay import PALETTE, in_8_bits, mixed
from edgeneuro.spec import Array, Frame
from edgeneuro.volume import IGNORE

LABELLED, FOUND, BOTH = PALETTE[0], PALETTE[1], PALETTE[6]
"""Orange, sky blue, reddish purple."""
SIDES_PX = (1280, 960, 640)
"""Of the longer side of a picture: the first whose file is small enough."""
LARGEST_BYTES = 1_250_000
"""Of one PNG; RGB of 640 x 640 px is no larger, however noisy."""
LARGEST_FACTOR = 8
"""A pixel of a small frame becomes at most so many along either side."""
LINE = 0.6
"""Width of a line in pixels of the frame; rounded up to pixels of the picture."""
TINT = 0.6
"""Share of the colour in what was missed or is false."""
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mistakes:
    """Of one frame. labelled, found: ([depth,] height, width) class numbers, IGNORE become background in both. missed: labelled as something, and
    not found as that. false: found as something, and not labelled as that; another class is both."""

    labelled: Array
    found: Array
    missed: Flags
    false: Flags

    @classmethod
    def of(cls, truth: Array, found: Array) -> Mistakes:
        """truth: a label mask, where IGNORE does not count. found: the network's mask, of the same shape."""
        counted = truth != IGNORE
        labelled, there = truth * counted, found * counted
        wrong = labelled != there
        return cls(labelled=labelled, found=there, missed=wrong & (labelled > 0), false=wrong & (there > 0))

    @property
    def missed_share(self) -> float | None:
        """Of what is labelled, None where nothing is."""
        return _share(self.missed, self.labelled)

    @property
    def false_share(self) -> float | None:
        """Of what was found, None where nothing was."""
        return _share(self.false, self.found)


def _share(wrong: Flags, of: Array) -> float | None:
    whole = int(np.count_nonzero(of))
    return int(np.count_nonzero(wrong)) / whole if whole else None


def pictures_of(frame: Frame, mistakes: Mistakes) -> tuple[bytes, bytes]:
    """PNG files of one size: the frame, and the frame with the mistakes drawn over it.

    frame: (height, width[, 1 or 3]) or, of volumes, (depth, height, width), of which the largest value along depth is shown with all that
    lies in any plane outlined. Each is of LARGEST_BYTES at most.
    """
    volume = mistakes.labelled.ndim == 3
    plain, _ = in_8_bits(frame.max(axis=0), windowed=True) if volume else in_8_bits(frame)
    files = (b"", b"")
    for side in SIDES_PX:
        shown = _fitted(plain, side)
        files = (_png(shown), _png(_drawn(shown, mistakes, side)))
        if max(map(len, files)) <= LARGEST_BYTES:
            break
    return files


def _drawn(plain: Array, mistakes: Mistakes, side: int) -> Array:
    """plain: (height, width, 3) uint8 RGB, already of this size."""
    missed, false = _layer(mistakes.missed, side), _layer(mistakes.false, side)
    drawn = plain
    for flags, colour in ((missed & ~false, LABELLED), (false & ~missed, FOUND), (missed & false, BOTH)):
        drawn = mixed(drawn, colour, np.float32(TINT) * flags[:, :, None])
    width = math.ceil(LINE * _factor(mistakes.labelled.shape, side))
    for layer in _classes(mistakes.labelled, side):
        drawn[_grown(layer, width) & ~layer] = LABELLED
    for layer in _classes(mistakes.found, side):
        drawn[layer & _grown(~layer, width)] = FOUND
    return drawn


def _classes(mask: Array, side: int) -> Iterator[Flags]:
    """Where each class but the background is."""
    for number in np.unique(mask[mask > 0]):
        yield _layer(mask == number, side)


def _layer(flags: Flags, side: int) -> Flags:
    """([depth,] height, width) in the size of the picture: set where any place that became the pixel was."""
    flat: Flags = flags if flags.ndim == 2 else np.any(flags, axis=0)
    layer: Flags = _fitted(flat.astype(np.float32), side) > 0
    return layer


def _grown(flags: Flags, width: int) -> Flags:
    """So many pixels wider on every side."""
    square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    grown: Flags = cv2.dilate(flags.astype(np.uint8), square) > 0
    return grown


def _factor(shape: Sequence[int], side: int) -> float:
    """shape: ([depth,] height, width). A whole number that enlarges the longer side as far as it stays within `side`, or the share that shrinks it
    to that."""
    longer = max(shape[-2:])
    return min(side // longer, LARGEST_FACTOR) or side / longer


def _fitted(picture: Array, side: int) -> Array:
    """picture: (height, width[, 3])."""
    height, width = picture.shape[:2]
    factor = _factor((height, width), side)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    fitted: Array = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST if factor >= 1 else cv2.INTER_AREA)
    return fitted


def _png(picture: Array) -> bytes:
    """picture: (height, width, 3) uint8 RGB; grey where its channels are the same."""
    red, green, blue = cv2.split(picture)
    grey = np.array_equal(red, green) and np.array_equal(green, blue)
    _, file = cv2.imencode(".png", red if grey else cv2.merge((blue, green, red)), (cv2.IMWRITE_PNG_COMPRESSION, 6))
    return bytes(file)
