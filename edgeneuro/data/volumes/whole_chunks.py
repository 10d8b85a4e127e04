"""Chunks of Zarr arrays that were cut short, found before they are decompressed.

Blosc, the usual compressor of Zarr 2 and of OME-Zarr 0.4, is given a chunk without its length: a truncated one comes back as wrong
voxels, or ends the process (seen with numcodecs 0.15 and 0.16). Its header says how long it must be.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeneuro.errors import FrameError
from edgeneuro.spec import Array

_HEADER = struct.Struct("<12xI")
"""The length of the whole chunk follows twelve bytes. Source: c-blosc, README_CHUNK_FORMAT."""


class WholeChunks:
    """A Zarr array in a folder; what is sliced from it comes from chunks that are all of their length."""

    def __init__(self, array: Any, folder: Path) -> None:
        """folder: of the array itself."""
        self._array, self._folder = array, folder
        self.shape, self.dtype, self.chunks = array.shape, array.dtype, array.chunks

    def __getitem__(self, index: tuple[int | slice, ...]) -> Array:
        """index: a number or slice for every axis. Raises FrameError, naming a chunk that was cut short."""
        if _ends_in_blosc(self._folder):
            for chunk in self._touched(index):
                file = chunk_file(self._folder, chunk)
                if file.is_file():
                    _check_length(file)
        voxels: Array = self._array[index]
        return voxels

    def _touched(self, index: tuple[int | slice, ...]) -> Iterator[tuple[int, ...]]:
        """The chunks that hold a part of what `index` names."""
        by_axis = []
        for at, size, side in zip(index, self.shape, self.chunks, strict=True):
            part = range(size)[at] if isinstance(at, slice) else range(at, at + 1)
            by_axis.append(range(part.start // side, -(-part.stop // side)))
        return itertools.product(*by_axis)


def chunk_file(folder: Path, chunk: tuple[int, ...]) -> Path:
    """Where the chunk with these numbers along the axes lies; it is missing where all of it is the fill value.

    Source: Zarr 2, "Chunks", dimension_separator; Zarr 3, "chunk_key_encoding".
    """
    version_2 = folder / ".zarray"
    if version_2.is_file():
        separator: str = json.loads(version_2.read_bytes()).get("dimension_separator", ".")
        return folder / separator.join(map(str, chunk))
    encoding = json.loads((folder / "zarr.json").read_bytes())["chunk_key_encoding"]
    default = encoding["name"] == "default"
    separator = encoding.get("configuration", {}).get("separator", "/" if default else ".")
    return folder / separator.join([*(["c"] if default else []), *map(str, chunk)])


def _ends_in_blosc(folder: Path) -> bool:
    """Whether the chunks are as Blosc writes them. In shards, they are found by an index with a checksum at their end."""
    version_2 = folder / ".zarray"
    if version_2.is_file():
        return (json.loads(version_2.read_bytes()).get("compressor") or {}).get("id") == "blosc"
    codecs = json.loads((folder / "zarr.json").read_bytes())["codecs"]
    return bool(codecs) and codecs[-1]["name"] == "blosc"


def _check_length(file: Path) -> None:
    size = file.stat().st_size
    with file.open("rb") as chunk:
        header = chunk.read(_HEADER.size)
    expected = _HEADER.unpack(header)[0] if len(header) == _HEADER.size else _HEADER.size
    if size != expected:
        raise FrameError(
            f"{file}: is a chunk of {size:,} bytes, expected {expected:,}; it is truncated or damaged, copy it again"
        )
