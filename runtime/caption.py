"""A picture, or two side by side, with a few lines of text below, drawn with OpenCV alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edgeneuro.spec import Array

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

PAPER: Colour = (24, 24, 24)
INK: Colour = (240, 240, 240)
ALERT: Colour = (255, 176, 64)
"""Of warnings: told apart from INK by brightness too."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WRITES_UNICODE = int(cv2.__version__.partition(".")[0]) >= 5
"""Older versions draw two question marks for a letter with an accent."""
_SMALLEST, _FULL_WIDTH_PX = 0.55, 1400
"""Font scale of narrow pictures, about 12 px high; text grows with pictures wider than _FULL_WIDTH_PX x _SMALLEST."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line below the pictures, broken where it is too long.

    key: colours (n, 3) uint8 of a bar in front of the text, a square for one colour. large: half as high again.
    """

    text: str
    colour: Colour = INK
    key: Array | None = None
    large: bool = False


def side_by_side(left: Array, right: Array, lines: Sequence[Line]) -> Array:
    """left, right: (height, width, 3) uint8 RGB of the same shape. Returns a picture of both above `lines`, RGB."""
    gap = max(4, left.shape[1] // 64)
    border = np.full((left.shape[0], gap, 3), PAPER, np.uint8)
    return captioned(np.concatenate([left, border, right], axis=1), lines)


def captioned(picture: Array, lines: Sequence[Line]) -> Array:
    """picture: (height, width, 3) uint8 RGB. Returns it above `lines`."""
    width = picture.shape[1]
    return np.concatenate([picture, *(_strip(line, width) for line in lines), _blank(max(4, width // 128), width)])


def _strip(line: Line, width: int) -> Array:
    """(height, width, 3) with the text of one line, on as many rows as it needs."""
    plain = max(_SMALLEST, width / _FULL_WIDTH_PX)
    margin = round(20 * plain)
    scale = plain * (1.5 if line.large else 1.0)
    thickness = max(1, round(1.2 * scale))
    (_, above), below = cv2.getTextSize("Ag|", _FONT, scale, thickness)
    height = above + below
    bar = 0 if line.key is None else height * min(len(line.key), 6)
    start = margin + bar + (margin if bar else 0)
    rows = _broken(_writable(line.text), width - start - margin, scale, thickness)
    spacing = height + margin // 3
    strip = _blank(margin + len(rows) * spacing, width)
    if line.key is not None:
        colours = line.key[np.linspace(0, len(line.key) - 1, bar).round().astype(int)]
        strip[margin : margin + height, margin : margin + bar] = colours
    for number, row in enumerate(rows):
        baseline = margin + above + number * spacing
        cv2.putText(strip, row, (start, baseline), _FONT, scale, line.colour, thickness, cv2.LINE_AA)
    return strip


def _broken(text: str, width: int, scale: float, thickness: int) -> list[str]:
    """`text` on rows of at most `width` px, between words where that is possible."""
    rows = [""]
    for word in text.split():
        longer = f"{rows[-1]} {word}".strip()
        if _width(longer, scale, thickness) <= width:
            rows[-1] = longer
            continue
        rows.append("")
        for letter in word:
            if _width(rows[-1] + letter, scale, thickness) > width:
                rows.append("")
            rows[-1] += letter
    return [row for row in rows if row]


def _width(text: str, scale: float, thickness: int) -> int:
    (width, _), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    return int(width)


def _writable(text: str) -> str:
    """`text` in letters that this OpenCV has: without accents, or a question mark, where it knows ASCII alone."""
    if _WRITES_UNICODE:
        return text
    plain = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).encode("ascii", "replace").decode()


def _blank(height: int, width: int) -> Array:
    return np.full((height, width, 3), PAPER, np.uint8)
