"""What every reader of volumes hands over: one array of a file, its axes, and how far apart its voxels are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeneuro.errors import FrameError, ShapeError
from edgeneuro.spec import Array
from edgeneuro.tiles import Region
from edgeneuro.volume import UNKNOWN_SPACING, Spacing, Volume

MAX_BYTES = 2**32
"""Of one channel in memory. What is larger is read tile by tile, from Zarr."""

AXES_BY_COUNT: Mapping[int, str] = {2: "yx", 3: "zyx", 4: "czyx", 5: "tczyx"}
"""Of an array whose file does not name them, in the order of OME-Zarr 0.4 and 0.5, section "axes"."""

UNIT_UM: Mapping[str, float] = {
    "angstrom": 1e-4, "nanometer": 1e-3, "nm": 1e-3, "micrometer": 1.0, "micron": 1.0, "microns": 1.0, "um": 1.0,
    "µm": 1.0, "μm": 1.0, "millimeter": 1e3, "mm": 1e3, "centimeter": 1e4, "cm": 1e4, "meter": 1e6, "m": 1e6,
}  # fmt: skip
"""Units of length, as files spell them -> um. The two signs for micro are those of Latin-1 and of Greek."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """array: what has a shape, a dtype and slices; read when it is sliced. axes: one letter an axis, t c z y x, each at
    most once, y and x always. spacing_um: None where the file does not say."""

    array: Any
    axes: str
    spacing_um: Spacing | None

    @property
    def channels(self) -> int:
        return int(self.array.shape[self.axes.index("c")]) if "c" in self.axes else 1


def to_volume(stack: Stack, channel: int | None, name: str) -> Volume:
    """Read one channel of `stack`, of a file called `name`. channel: from 0; None where there is but one.

    Raises FrameError: several channels and none chosen, several times, too large, no numbers, damaged.
    """
    index = _index(stack, channel, name)
    dtype = np.dtype(stack.array.dtype)
    if dtype.kind not in "buif":
        raise FrameError(f"{name}: has voxels of {dtype}, expected whole numbers or floats; convert them")
    refuse_large([size for size, at in zip(stack.array.shape, index, strict=True) if at == slice(None)], dtype, name)
    try:
        voxels: Array = np.asarray(stack.array[index])
    except (OSError, ValueError, RuntimeError, KeyError, EOFError) as error:
        raise FrameError(
            f"{name}: is damaged or truncated ({error}); copy it again from where it was recorded"
        ) from error
    kept = [axis for axis, at in zip(stack.axes, index, strict=True) if at == slice(None)]
    voxels = voxels.transpose([kept.index(axis) for axis in "zyx" if axis in kept])
    voxels = voxels if "z" in kept else voxels[None]
    native = np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")
    known = stack.spacing_um is not None
    try:
        return Volume(
            voxels=np.ascontiguousarray(voxels, native),
            spacing_um=stack.spacing_um or UNKNOWN_SPACING,
            spacing_known=known,
        )
    except ShapeError as error:
        raise FrameError(f"{name}: {error}") from error


def size_of(stack: Stack) -> tuple[int, int, int]:
    """Voxels along z, y and x; a missing z axis has one plane."""
    sizes = dict(zip(stack.axes, stack.array.shape, strict=True))
    return int(sizes.get("z", 1)), int(sizes["y"]), int(sizes["x"])


def read_part(stack: Stack, region: Region, channel: int | None, name: str) -> Volume:
    """As `to_volume`, but of a region (z, y, x) alone, so that only what holds it is read. Raises FrameError."""
    return to_volume(replace(stack, array=_Part(stack.array, stack.axes, region)), channel, name)


class _Part:
    """A region of an array, read when it is sliced."""

    def __init__(self, array: Any, axes: str, region: Region) -> None:
        parts = dict(zip("zyx", region, strict=True))
        self._array, self.dtype = array, array.dtype
        self._parts = [parts.get(axis, slice(0, size)) for axis, size in zip(axes, array.shape, strict=True)]
        self.shape = tuple(part.stop - part.start for part in self._parts)

    def __getitem__(self, index: tuple[int | slice, ...]) -> Any:
        """index: a number for an axis, or all of it."""
        return self._array[
            tuple(part if at == slice(None) else at for at, part in zip(index, self._parts, strict=True))
        ]


def refuse_large(shape: Iterable[int], dtype: np.dtype[Any], name: str) -> None:
    """Raise FrameError for an array that would take more than MAX_BYTES of memory."""
    sizes = tuple(shape)
    if math.prod(sizes) * dtype.itemsize > MAX_BYTES:
        raise FrameError(
            f"{name}: holds {sizes} voxels of {dtype}, expected at most {MAX_BYTES:,} bytes at once; cut it into smaller "
            "volumes, or keep it as Zarr and segment it tile by tile"
        )


def choose_array(names: Iterable[str], wanted: str | None, name: str) -> str:
    """The one array of a file that has several. Raises FrameError, naming those there are."""
    there = sorted(names)
    if wanted is None and len(there) == 1:
        return there[0]
    if wanted in there:
        return str(wanted)
    listed = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
    if not there:
        raise FrameError(f"{name}: holds no array of numbers with two axes or more; name another file")
    asked = f"no array {wanted!r}, but" if wanted is not None else f"{len(there)} arrays,"
    raise FrameError(f"{name}: holds {asked} {listed}; choose one with dataset=")


def axes_by_count(count: int, name: str) -> str:
    """Letters of the axes of an array that does not name them. Raises FrameError."""
    if count not in AXES_BY_COUNT:
        raise FrameError(
            f"{name}: has {count} axes, expected 2 (y, x) to 5 (t, c, z, y, x); save one channel as (z, y, x)"
        )
    return AXES_BY_COUNT[count]


def _index(stack: Stack, channel: int | None, name: str) -> tuple[int | slice, ...]:
    """One of the channels, the only time, all of the rest."""
    sizes = dict(zip(stack.axes, stack.array.shape, strict=True))
    if sizes.get("t", 1) != 1:
        raise FrameError(
            f"{name}: holds {sizes['t']} time points, expected one; save one, or say that they are planes (z)"
        )
    if channel is None and stack.channels > 1:
        raise FrameError(
            f"{name}: holds {stack.channels} channels, expected one; choose it with channel=0 to {stack.channels - 1}"
        )
    if channel is not None and not 0 <= channel < stack.channels:
        raise FrameError(f"{name}: has no channel {channel}, expected 0 to {stack.channels - 1}")
    return tuple({"t": 0, "c": channel or 0}.get(axis, slice(None)) for axis in stack.axes)
