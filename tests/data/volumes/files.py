"""Small files of volumes for the tests."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgeneuro.spec import Array

STACK: Array = np.random.default_rng(0).integers(0, 4096, (5, 6, 7)).astype(np.uint16)
"""(z, y, x), all sides different."""


def v3draw(voxels: Array, order: Literal["<", ">"] = "<", *, sizes: str = "4I", says: bytes | None = None) -> bytes:
    """(c, z, y, x) as .v3draw. says: the byte of the byte order, where it is to be wrong."""
    count = struct.pack(f"{order}H{sizes}", voxels.dtype.itemsize, *voxels.shape[::-1])
    flag = says or {"<": b"L", ">": b"B"}[order]
    return b"raw_image_stack_by_hpeng" + flag + count + voxels.astype(voxels.dtype.newbyteorder(order)).tobytes()


def write_tiff(path: Path, voxels: Array, **how: Any) -> Path:
    import tifffile

    tifffile.imwrite(path, voxels, **{"photometric": "minisblack", **how})
    return path


def write_blosc(path: Path, voxels: Array) -> Path:
    """One array in Zarr's second format, compressed by Blosc."""
    import numcodecs
    import zarr

    how: dict[str, Any] = {"zarr_format": 2} if zarr.__version__ >= "3" else {}
    array = zarr.open_array(
        str(path),
        mode="w",
        shape=voxels.shape,
        chunks=voxels.shape,
        dtype=voxels.dtype,
        compressor=numcodecs.Blosc(),
        **how,
    )
    array[...] = voxels
    return path


def chunk_of(path: Path) -> Path:
    """The file with the only chunk of a Zarr array."""
    (chunk,) = [file for file in path.rglob("*") if file.is_file() and not file.name.startswith((".z", "zarr"))]
    return chunk


def write_zarr(path: Path, voxels: Array, **attributes: Any) -> Path:
    """One array with attributes."""
    import zarr

    array = zarr.open_array(str(path), mode="w", shape=voxels.shape, chunks=voxels.shape, dtype=voxels.dtype)
    array[...] = voxels
    array.attrs.update(attributes)
    return path
