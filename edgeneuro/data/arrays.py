"""Arrays of numbers from .npy and .npz files: sizes are checked before memory is asked for, pickles are never loaded."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import IO

import numpy as np
from numpy.lib import format as npy

from edgeneuro.errors import FrameError
from edgeneuro.spec import Array, Item

ARRAY_SUFFIXES = (".npz", ".npy")
MAX_BYTES = 2**30
"""Of all arrays in one file, as they are in memory."""
MAX_ARRAYS = 64


def is_array_file(path: PurePath) -> bool:
    """Whether the name of `path` ends like a file of arrays."""
    return path.suffix.lower() in ARRAY_SUFFIXES


def read_arrays(path: Path) -> Item:
    """A .npz as its arrays by name, a .npy as its one array, whatever their shape.

    Raises FrameError: missing, neither kind of file, damaged, larger than MAX_BYTES, Python objects instead of numbers.
    """
    if not is_array_file(path):
        raise FrameError(f"{path}: is no file of arrays, expected a name ending in {' or '.join(ARRAY_SUFFIXES)}")
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        raise FrameError(
            f"{path}: cannot be read ({error.strerror or error}); check its name and permissions"
        ) from error
    if data is None:
        raise FrameError(f"{path}: is larger than {MAX_BYTES:,} bytes; save one sample a file")
    return decode_npz(data, str(path)) if path.suffix.lower() == ".npz" else decode_npy(data, str(path))


def decode_npy(data: bytes, name: str) -> Array:
    """The array in `data`, the content of a .npy file called `name`. Raises FrameError."""
    try:
        return _array(io.BytesIO(data), len(data))
    except (ValueError, EOFError, SyntaxError, TypeError) as error:  # a header is read by Python's own parser
        raise FrameError(
            f"{name}: is not a readable .npy array ({error}); save it with numpy.save, numbers only"
        ) from error


def decode_npz(data: bytes, name: str) -> dict[str, Array]:
    """The arrays in `data`, the content of a .npz file called `name`, in its order. Raises FrameError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            if not 0 < len(entries) <= MAX_ARRAYS or sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise FrameError(
                    f"{name}: holds {len(entries)} arrays, expected 1 to {MAX_ARRAYS} of {MAX_BYTES:,} bytes in all"
                )
            arrays = {}
            for entry in entries:
                with archive.open(entry) as file:
                    arrays[entry.filename.removesuffix(".npy")] = _array(file, entry.file_size)
            return arrays
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, SyntaxError, TypeError, NotImplementedError) as error:
        raise FrameError(
            f"{name}: is not a readable .npz archive ({error}); save it with numpy.savez, numbers only"
        ) from error


def encode_npz(arrays: Mapping[str, Array]) -> bytes:
    """A compressed .npz of plain arrays under any names; numpy's own writer takes some names for its parameters."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                npy.write_array(file, np.asanyarray(array), allow_pickle=False)
    return buffer.getvalue()


def _array(file: IO[bytes], size: int) -> Array:
    """One .npy stream of `size` bytes; its header may not promise more than the stream holds."""
    version = npy.read_magic(file)
    header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if header is None:
        raise ValueError(f"version {version} of the format")
    shape, fortran, dtype = header(file)
    if dtype.hasobject or dtype.kind not in "fiub":
        raise ValueError(f"it holds elements of {dtype}")
    count = math.prod(shape)
    if count * dtype.itemsize > min(size, MAX_BYTES):
        raise ValueError(f"its header says {shape} of {dtype}, but it has {size:,} bytes")
    content = file.read(count * dtype.itemsize)
    if len(content) < count * dtype.itemsize:
        raise EOFError(f"it ends after {len(content):,} bytes of {count * dtype.itemsize:,}")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="))  # a copy, writable and in this machine's byte order
