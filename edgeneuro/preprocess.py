"""From a frame to the network's input: one implementation for training, calibration and the device.

Steps, in order: to uint8 (or kept 16-bit); to grey or RGB; resize; scale and normalise to float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np

from edgeneuro.drawing import Drawing
from edgeneuro.errors import FrameError, InputError
from edgeneuro.spec import Float32, Frame
from edgeneuro.tiled import FULL, Levels, Tiled

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB on the 0..1 scale, as networks trained on ImageNet expect their input to be normalised."""

SMALLEST_SIDE_PX = 32


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """Preprocessing as data; calling it applies it.

    height, width: of the network's input, in px. channels: 1 grey, 3 RGB. bit_depth: 8 converts every
    frame to uint8 before resizing, 16 keeps uint16. Resizing averages areas; where a side grows it is linear.
    max_value: the pixel value that becomes 1.0. mean, std: one each a channel, or one for all, on the 0..1 scale.
    drawing: how a neuron becomes the frame, None for a network that does not look at neurons. tiled: of a network that covers
    frames of any size with tiles of its own: what is done to the whole frame, by `whole`, before `__call__` takes a tile, which
    is never resized. depth: planes of a tile, of a network that takes volumes; grey ones only, (depth, height, width).
    Raises InputError for values that cannot be applied.
    """

    height: int
    width: int
    channels: Literal[1, 3] = 1
    bit_depth: Literal[8, 16] = 8
    max_value: float = 255.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    drawing: Drawing | None = None
    tiled: Tiled | None = None
    depth: int | None = None

    def __post_init__(self) -> None:
        fixed = (self.bit_depth, self.max_value, self.channels, self.drawing)
        if (self.tiled is not None and fixed != (16, float(FULL), 1, None)) or (
            self.depth is not None and (self.depth < 1 or self.tiled is None)
        ):
            raise InputError(
                f"preprocessing: got tiles with a depth of {self.depth}, {self.bit_depth} bits, max_value {self.max_value:g} and "
                f"{self.channels} channel(s), expected a depth from 1 in tiles alone, and tiles grey, of 16 bits and {FULL}"
            )
        if min(self.height, self.width) < 1 or not self.max_value > 0:
            raise InputError(
                f"preprocessing: got {self.width} x {self.height} px and max_value {self.max_value:g}, expected all above 0"
            )
        if not {len(self.mean), len(self.std)} <= {1, self.channels} or not all(value > 0 for value in self.std):
            raise InputError(
                f"preprocessing: got mean {self.mean} and std {self.std} for {self.channels} channel(s), expected one "
                "value each a channel, or one for all, and every std above 0"
            )

    @property
    def tile(self) -> tuple[int, ...]:
        """Sides of the network's input: ([depth,] height, width)."""
        return (*(() if self.depth is None else (self.depth,)), self.height, self.width)

    def __call__(self, frame: Frame) -> Float32:
        """frame: (height, width) grey or (height, width, 1 | 3 | 4) RGB(A); uint8, uint16, bool, or float in 0..1; where `tiled`, a
        tile of what `whole` gave.

        Returns (channel, [depth,] height, width) float32. Raises FrameError.
        """
        return self.normalise(self.resize(frame))

    def whole(self, frame: Frame, levels: Levels | None = None) -> Frame:
        """The frame at its own size, ready to be cut into tiles: ([depth,] height, width) uint16. levels: grey values that become 0
        and 1, those of this frame where None. Raises FrameError for a frame of other axes, InputError where not `tiled`."""
        if self.tiled is None:
            raise InputError("preprocessing: cuts no tiles; give whole frames to the network")
        if frame.ndim == 3 and self.depth is None:
            frame = _to_channels(_checked(frame), 1)
        if frame.ndim != len(self.tile) or 0 in frame.shape or frame.dtype.kind not in "uif":
            axes = "(height, width)" if self.depth is None else "(depth, height, width)"
            raise FrameError(
                f"frame: got shape {frame.shape} of {frame.dtype}, expected {axes} in grey; choose one channel, or a network for "
                f"{'volumes' if frame.ndim == 3 else 'images'}"
            )
        if frame.dtype.kind == "f" and not np.isfinite(frame).all():
            raise FrameError("frame: holds NaN or infinity; fill such places before reading it")
        return self.tiled.scaled(frame, self.tiled.levels(frame) if levels is None else levels)

    def resize(self, frame: Frame) -> Frame:
        """The frame with this object's channels, bit depth and size: (height, width[, 3]), still integer; a tile as it is."""
        if self.tiled is not None:
            return self._tile(frame)
        pixels = _to_channels(_to_depth(_checked(frame), self.bit_depth), self.channels)
        height, width = pixels.shape[:2]
        if (height, width) == (self.height, self.width):
            return pixels
        shrinks = self.height <= height and self.width <= width
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized: Frame = cv2.resize(pixels, (self.width, self.height), interpolation=how)
        return resized

    def _tile(self, frame: Frame) -> Frame:
        if frame.shape != self.tile or frame.dtype != np.uint16:
            raise FrameError(
                f"tile: got shape {frame.shape} of {frame.dtype}, expected {self.tile} of uint16; scale the whole frame first "
                "(Preprocess.whole) and cut it into tiles"
            )
        return frame

    def normalise(self, pixels: Frame) -> Float32:
        """(height, width[, 3]) or, of volumes, (depth, height, width) integer pixels -> (channel, [depth,] height, width) float32,
        (x / max_value - mean) / std.

        One multiplication and one addition in float32 a pixel, so that every machine gives the same bits.
        """
        grey = pixels.ndim == 2 or self.depth is not None
        planes = pixels[None] if grey else np.moveaxis(pixels, 2, 0)
        gain, offset = self._gain_and_offset
        scaled: Float32 = np.multiply(planes, gain, dtype=np.float32, order="C")
        scaled += offset
        return scaled

    @cached_property
    def _gain_and_offset(self) -> tuple[Float32, Float32]:
        """(channel or 1, 1, 1) each, which volumes take as well; kept, because finding them anew takes a quarter of the time of a frame."""
        std = np.asarray(self.std, np.float64)
        gain = 1.0 / (self.max_value * std)
        offset = -np.asarray(self.mean, np.float64) / std
        return gain.astype(np.float32)[:, None, None], offset.astype(np.float32)[:, None, None]


def frame_depth(frame: Frame) -> int:
    """8 or 16: bits a pixel of the frame as it came (bool and float count as 8)."""
    return 16 if frame.dtype == np.uint16 else 8


def _checked(frame: Frame) -> Frame:
    if frame.ndim == 3 and frame.shape[2] == 1:
        frame = frame[:, :, 0]
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] not in (3, 4)):
        raise FrameError(
            f"frame: got shape {frame.shape}, expected (height, width) or (height, width, 3); "
            "give one frame at a time, channels last"
        )
    if min(frame.shape[:2]) < SMALLEST_SIDE_PX:
        raise FrameError(
            f"frame: got {frame.shape[1]} x {frame.shape[0]} px, expected at least "
            f"{SMALLEST_SIDE_PX} px on each side; crop less, or record at a higher resolution"
        )
    return frame


def _to_depth(frame: Frame, depth: Literal[8, 16]) -> Frame:
    full = 255 if depth == 8 else 65535
    if frame.dtype == np.bool_:
        return _to_integer(frame * full, depth)
    if np.issubdtype(frame.dtype, np.floating):
        low, high = float(frame.min()), float(frame.max())
        if not (low >= 0.0 and high <= 1.0):  # also false for NaN
            raise FrameError(
                f"frame: got floating-point pixels from {low:g} to {high:g}, expected 0 to 1; "
                "divide by the largest possible value, or save as uint8 or uint16"
            )
        return _to_integer(np.rint(np.multiply(frame, full, dtype=np.float64)), depth)  # float16 ends at 65504
    if frame.dtype == np.uint8:
        return frame if depth == 8 else frame.astype(np.uint16) * 257
    if frame.dtype == np.uint16:
        return frame if depth == 16 else cv2.convertScaleAbs(frame, alpha=1 / 257)
    raise FrameError(f"frame: got pixels of {frame.dtype}, expected uint8, uint16 or float in 0..1; convert them first")


def _to_integer(values: Frame, depth: Literal[8, 16]) -> Frame:
    return values.astype(np.uint8 if depth == 8 else np.uint16)


def _to_channels(frame: Frame, channels: Literal[1, 3]) -> Frame:
    if frame.ndim == 2:
        return frame if channels == 1 else cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB)
    if channels == 1:
        return cv2.cvtColor(frame, cv2.COLOR_RGBA2GRAY if frame.shape[2] == 4 else cv2.COLOR_RGB2GRAY)
    return cv2.cvtColor(frame, cv2.COLOR_RGBA2RGB) if frame.shape[2] == 4 else frame
