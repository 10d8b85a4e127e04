"""Vaa3D's raw stacks: a short header, then the samples, x fastest, then y, z and channels.

24 bytes of magic, "L" or "B" for the byte order, two bytes with the size of a sample (1, 2: whole numbers without sign; 4: float32),
and the sizes along x, y, z and c, four bytes each, in old files two. Source: the reader and writer that come with Vaa3D
(stackutil of the v3d_external tree); its own test for the old form is the size of the file.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edgeneuro.data.volumes.stack import Stack
from edgeneuro.errors import FrameError

V3DRAW = b"raw_image_stack_by_hpeng"
_ORDERS = {b"L": "<", b"B": ">"}
_KINDS = {1: "u1", 2: "u2", 4: "f4"}
_SIZES = ("4I", "4H")
_PREFIX = len(V3DRAW) + 3
_HEADER_BYTES = _PREFIX + struct.calcsize("4I")


@contextmanager
def open_v3draw(path: Path) -> Iterator[Stack]:
    """The stack in `path`, which says nothing about spacing. Raises FrameError: truncated, or a header that cannot be."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    size = path.stat().st_size
    order = _ORDERS.get(header[len(V3DRAW) : len(V3DRAW) + 1])
    if len(header) < _HEADER_BYTES:
        raise FrameError(f"{path}: is truncated, it ends after {size} bytes in its header; copy it again")
    if order is None:
        raise FrameError(
            f"{path}: has the byte order {header[24:25]!r}, expected b'L' or b'B'; it is damaged, copy it again"
        )
    found = _layout(header, order, size)
    if found is None:
        raise _impossible(path, header, order, size)
    dtype, sizes, offset = found
    yield Stack(array=np.memmap(path, dtype, "r", offset, sizes[::-1]), axes="czyx", spacing_um=None)


def _layout(header: bytes, order: str, size: int) -> tuple[np.dtype[np.generic], tuple[int, ...], int] | None:
    """Type, sizes along x y z c and offset of the samples, in whichever form fills the file exactly."""
    (sample_bytes,) = struct.unpack_from(order + "H", header, len(V3DRAW) + 1)
    if sample_bytes not in _KINDS:
        return None
    for form in _SIZES:
        sizes = struct.unpack_from(order + form, header, _PREFIX)
        offset = _PREFIX + struct.calcsize(form)
        if 0 not in sizes and offset + math.prod(sizes) * sample_bytes == size:
            return np.dtype(order + _KINDS[sample_bytes]), sizes, offset
    return None


def _impossible(path: Path, header: bytes, order: str, size: int) -> FrameError:
    other = ">" if order == "<" else "<"
    if _layout(header, other, size) is not None:
        said, meant = ("little", "big") if order == "<" else ("big", "little")
        return FrameError(
            f"{path}: says {said}-endian, but its numbers are {meant}-endian; correct byte 25 of the file"
        )
    sample_bytes, *sizes = struct.unpack_from(order + "H4I", header, len(V3DRAW) + 1)
    if sample_bytes not in _KINDS:
        return FrameError(
            f"{path}: has samples of {sample_bytes} bytes, expected 1, 2 or 4; it is damaged, copy it again"
        )
    expected = _HEADER_BYTES + math.prod(sizes) * sample_bytes
    return FrameError(
        f"{path}: holds {size:,} bytes, expected {expected:,} for x, y, z, c of {', '.join(map(str, sizes))} in {8 * sample_bytes} "
        f"bits; it is {'truncated' if size < expected else 'damaged'}, copy it again"
    )
