"""Volumes as TIFF stacks with their spacing, in the form of ImageJ, which most programs for microscopy read."""

from __future__ import annotations

import io

import numpy as np

from edgeneuro.errors import DataError
from edgeneuro.volume import Volume

_TYPES = (np.uint8, np.uint16, np.float32)
"""Of voxels that ImageJ has."""


def encode_tiff(volume: Volume) -> bytes:
    """One page a plane, uncompressed; the spacing in um, unless it is not known. The same volume gives the same bytes.

    Raises DataError for voxels that are not uint8, uint16 or float32.
    """
    import tifffile

    if volume.voxels.dtype not in _TYPES:
        names = ", ".join(np.dtype(kind).name for kind in _TYPES)
        raise DataError(f"volume: has voxels of {volume.voxels.dtype}, expected {names} for TIFF; convert them")
    z, y, x = volume.spacing_um
    said = {"spacing": z, "unit": "um"} if volume.spacing_known else {}
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        volume.voxels,
        imagej=True,
        photometric="minisblack",
        metadata={"axes": "ZYX", **said},
        resolution=(1 / x, 1 / y) if volume.spacing_known else None,
    )
    return file.getvalue()
