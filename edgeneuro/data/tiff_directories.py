"""The chain of directories in a TIFF file, one a page: followed to its end, so that a truncated file is found out."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator

from edgeneuro.errors import FrameError

_FORMS = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
"""First four bytes -> byte order, and whether the file is a BigTIFF, which has wider numbers."""


def is_tiff(data: bytes) -> bool:
    """Whether a file that begins with `data` says that it is a TIFF."""
    return data[:4] in _FORMS


def read_directories(data: bytes | mmap.mmap, name: str) -> list[dict[int, int]]:
    """The entries of every page of a TIFF called `name`: tag -> its value, where that is one number of 16 bits.

    Of longer values only the first 16 bits are there. Raises FrameError where the chain leads out of the file.
    """
    try:
        return [dict(entries) for entries in _chain(data)]
    except (struct.error, OverflowError) as error:
        raise FrameError(
            f"{name}: is truncated, it ends after {len(data):,} bytes in mid-image; copy it again from where it was recorded"
        ) from error


def _chain(data: bytes | mmap.mmap) -> Iterator[list[tuple[int, int]]]:
    order, big = _FORMS[data[:4]]
    count_kind, entry_bytes, offset_kind = ("Q", 20, "Q") if big else ("H", 12, "I")
    visited: set[int] = set()
    (at,) = struct.unpack_from(order + offset_kind, data, 8 if big else 4)
    while at and at not in visited:
        visited.add(at)
        (count,) = struct.unpack_from(order + count_kind, data, at)
        first = at + struct.calcsize(order + count_kind)
        end = first + count * entry_bytes
        (at,) = struct.unpack_from(order + offset_kind, data, end)
        yield [_entry(data, entry, order, big) for entry in range(first, end, entry_bytes)]


def _entry(data: bytes | mmap.mmap, at: int, order: str, big: bool) -> tuple[int, int]:
    (tag,) = struct.unpack_from(order + "H", data, at)
    (value,) = struct.unpack_from(order + "H", data, at + (12 if big else 8))
    return tag, value
