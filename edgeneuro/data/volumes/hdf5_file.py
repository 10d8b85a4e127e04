"""Volumes from HDF5 files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgeneuro.data.volumes.stack import Stack, axes_by_count, choose_array
from edgeneuro.errors import FrameError
from edgeneuro.volume import Spacing

HDF5 = b"\x89HDF\r\n\x1a\n"
_SPACING = "element_size_um"
"""Attribute with the distances along z, y and x, as Fiji's HDF5 plugin and ilastik write it."""


@contextmanager
def open_hdf5(path: Path, dataset: str | None) -> Iterator[Stack]:
    """An array of the file `path`: the one there is, or the one called `dataset`. Raises FrameError."""
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise FrameError(
            f"{path}: cannot be opened as HDF5 ({error}); it is truncated or damaged, copy it again"
        ) from error
    with file:
        names: list[str] = []

        def note(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.ndim >= 2 and item.dtype.kind in "buif":
                names.append(name)

        file.visititems(note)
        array = file[choose_array(names, dataset, str(path))]
        yield Stack(array=array, axes=axes_by_count(array.ndim, str(path)), spacing_um=_spacing(array, path))


def _spacing(array: Any, path: Path) -> Spacing | None:
    if _SPACING not in array.attrs:
        return None
    steps = np.asarray(array.attrs[_SPACING])
    if steps.shape != (3,) or steps.dtype.kind not in "uif":
        raise FrameError(
            f"{path}: has {_SPACING} of {steps.tolist()}, expected three numbers along z, y, x; correct it"
        )
    z, y, x = map(float, steps)
    return z, y, x
