"""Volumes from TIFF stacks: plain pages, ImageJ's and OME's, read by tifffile after checks of our own."""

from __future__ import annotations

import logging
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeneuro.data.tiff_directories import read_directories
from edgeneuro.data.volumes.stack import UNIT_UM, Stack, refuse_large
from edgeneuro.errors import FrameError
from edgeneuro.volume import Spacing

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

_PLANES = "ZQI"
"""Letters under which tifffile has planes: z where the file says so, else "other" or a sequence of pages."""
_ESCAPED_MICRO = "\\u00B5"
"""As ImageJ writes the sign into a description that may hold ASCII only."""


@contextmanager
def open_tiff(path: Path) -> Iterator[Stack]:
    """The stack in `path`. Raises FrameError: truncated, pages of several sizes, a compression or packing that is not read."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong with a file is said in the error
    _check_pages(path)
    try:
        with tifffile.TiffFile(path) as file:
            series = _one_series(file, path)
            _check_inside(series, path)
            refuse_large(series.shape, series.dtype, str(path))
            array, spacing = series.asarray(), _spacing(file)
            axes = _axes(series, path)
    except (tifffile.TiffFileError, OSError, ValueError, KeyError, RuntimeError, IndexError, TypeError) as error:
        raise FrameError(
            f"{path}: cannot be decoded ({error}); it is damaged, or compressed or packed in a rare way: run pip install "
            "imagecodecs, or save it uncompressed in 8, 16 or 32 bits"
        ) from error
    yield Stack(
        array=array.squeeze(tuple(at for at, axis in enumerate(axes) if axis == "_")),
        axes=axes.replace("_", ""),
        spacing_um=spacing,
    )


def _check_pages(path: Path) -> None:
    """The chain of pages must lie inside the file; tifffile would stop at the last one it finds."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        read_directories(content, str(path))


def _one_series(file: TiffFile, path: Path) -> TiffPageSeries:
    """All pages as one array."""
    series = file.series
    if len(series) != 1:
        sizes = ", ".join(str(one.shape) for one in series[:4])
        raise FrameError(
            f"{path}: holds pages of {len(series)} kinds ({sizes}), expected one size and type; save them apart"
        )
    return series[0]


def _check_inside(series: TiffPageSeries, path: Path) -> None:
    """Every strip and tile must end inside the file."""
    size = path.stat().st_size
    if series.dataoffset is not None:
        end = series.dataoffset + series.size * series.dtype.itemsize
    else:
        pages: list[Any] = [page for page in series.pages if page is not None]
        if len(pages) < len(series.pages):
            raise FrameError(
                f"{path}: lacks {len(series.pages) - len(pages)} of its planes; name the file with all of them"
            )
        end = max(at + count for page in pages for at, count in zip(page.dataoffsets, page.databytecounts, strict=True))
    if end > size:
        raise FrameError(
            f"{path}: is truncated, it ends after {size:,} bytes of {end:,}; copy it again from where it was recorded"
        )


def _axes(series: TiffPageSeries, path: Path) -> str:
    """Letters as `Stack` has them, "_" for an axis of size 1 that says nothing."""
    letters = []
    for axis, size in zip(series.axes, series.shape, strict=True):
        if axis in "YXT":
            letters.append(axis.lower())
        elif size == 1:
            letters.append("_")
        elif axis in _PLANES:
            letters.append("z")
        else:
            letters.append("c" if axis in "CS" else axis)
    axes = "".join(letters)
    if not set(axes) <= set("tczyx_") or any(axes.count(axis) > 1 for axis in "tczyx"):
        raise FrameError(
            f"{path}: has the axes {series.axes} of sizes {series.shape}, expected planes, rows and columns, and channels at most; "
            "save one channel as (z, y, x)"
        )
    return axes


def _spacing(file: TiffFile) -> Spacing | None:
    """What OME or ImageJ say; the resolution of any other TIFF is for printing."""
    if file.ome_metadata is not None:
        return _of_ome(file.ome_metadata)
    if file.imagej_metadata is not None:
        return _of_imagej(file, file.imagej_metadata)
    return None


def _of_ome(xml: str) -> Spacing | None:
    """PhysicalSizeX, Y, Z of the first image, um where no unit is given. Source: OME schema 2016-06, Pixels."""
    steps = []
    for axis in "ZYX":
        size = re.search(rf'\bPhysicalSize{axis}="([0-9.eE+-]+)"', xml)
        unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]+)"', xml)
        factor = UNIT_UM.get(unit[1]) if unit else 1.0
        if size is not None and factor is not None:
            steps.append(float(size[1]) * factor)
        elif axis == "Z" and re.search(r'\bSizeZ="1"', xml):
            steps.append(1.0)  # one plane, whose thickness nobody needs
    return (steps[0], steps[1], steps[2]) if len(steps) == 3 else None


def _of_imagej(file: TiffFile, said: dict[str, Any]) -> Spacing | None:
    """`spacing` along z in `unit`, and the resolution in pixels a unit."""
    factor = UNIT_UM.get(str(said.get("unit", "")).replace(_ESCAPED_MICRO, "µ"))
    z = said.get("spacing", 1.0 if said.get("slices", 1) == 1 else None)
    ratios = [file.pages.first.tags.valueof(f"{axis}Resolution") for axis in "YX"]
    if factor is None or z is None or any(ratio is None or 0 in ratio for ratio in ratios):
        return None
    y, x = (factor * bottom / top for top, bottom in ratios)
    return factor * float(z), y, x
