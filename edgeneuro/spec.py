"""What a tensor that crosses a border looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeneuro.errors import ShapeError

Array = NDArray[Any]
Frame = NDArray[Any]
"""(height, width) grey or (height, width, 3) RGB, uint8 or uint16."""

Float32 = NDArray[np.float32]

Feed: TypeAlias = Mapping[str, Array]
"""The network's inputs for one frame by name, each with a leading batch axis of size 1."""

Item: TypeAlias = Frame | Mapping[str, Array]
"""What one result is made from: a frame; or, for a network that takes no image, its arrays by input name, or the one
array of a network with one input."""


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """One input or output of a graph.

    shape: sizes in order, -1 where any size is accepted. axes: one word an axis, e.g. ("batch",
    "channel", "height", "width"). dtype: numpy's name. unit: what one element is, in words.
    """

    name: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    dtype: str
    unit: str

    def __post_init__(self) -> None:
        if len(self.axes) != len(self.shape):
            raise ShapeError(
                f"tensor {self.name!r}: has {len(self.axes)} axes for {len(self.shape)} sizes, expected as many"
            )

    def check(self, value: Array) -> None:
        """Raise ShapeError unless `value` has this shape and element type."""
        fits = value.ndim == len(self.shape)
        for want, have in zip(self.shape, value.shape, strict=False):  # of every frame: a generator costs twice as much
            fits = fits and (want == have or want == -1)
        if not fits:
            wanted = ", ".join(
                axis if size == -1 else f"{axis} {size}" for axis, size in zip(self.axes, self.shape, strict=True)
            )
            raise ShapeError(f"tensor {self.name!r}: got shape {value.shape}, expected ({wanted})")
        if value.dtype != self.dtype:  # numpy compares a dtype with a name; an unknown name equals none
            raise ShapeError(
                f"tensor {self.name!r}: got elements of {value.dtype}, expected {self.dtype}; use .astype({self.dtype!r})"
            )
