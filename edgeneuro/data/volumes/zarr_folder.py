"""Volumes from Zarr folders, OME-Zarr among them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeneuro.data.volumes.stack import UNIT_UM, Stack, axes_by_count, choose_array, refuse_large
from edgeneuro.data.volumes.whole_chunks import WholeChunks
from edgeneuro.errors import FrameError
from edgeneuro.volume import Spacing

SPACING = "spacing_um"
"""Attribute of an array, or of the group around it, with the distances along z, y and x; our own."""

_MARKERS = (".zarray", ".zgroup", "zarr.json")


def is_zarr(path: Path) -> bool:
    """Whether `path` is the folder of an array or a group."""
    return any((path / marker).is_file() for marker in _MARKERS)


@contextmanager
def open_zarr(path: Path, dataset: str | None) -> Iterator[Stack]:
    """An array of the folder `path`: the one there is, the finest level of an OME-Zarr image, or the one called `dataset`.

    Raises FrameError.
    """
    if not is_zarr(path):
        raise FrameError(
            f"{path}: is a folder without {' or '.join(_MARKERS)}, expected Zarr; name one file, or the .zarr folder"
        )
    import zarr

    try:
        root: Any = zarr.open(str(path), mode="r")
        stack = _of_array(root, root, path) if isinstance(root, zarr.Array) else _of_group(root, dataset, path)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise FrameError(
            f"{path}: cannot be opened as Zarr ({error}); its metadata is damaged, copy it again"
        ) from error
    array = WholeChunks(stack.array, path / stack.array.path)
    refuse_large(array.chunks, array.dtype, f"{path} (one chunk)")
    yield replace(stack, array=array)


def _of_group(group: Any, dataset: str | None, path: Path) -> Stack:
    attributes = dict(group.attrs)
    images = attributes.get("ome", attributes).get("multiscales")
    if dataset is None and images:
        return _of_image(group, images[0], path)
    name = choose_array(_names(group), dataset, str(path))
    above = name.rpartition("/")[0]
    return _of_array(group[name], group[above] if above else group, path)


def _names(group: Any, above: str = "") -> Iterator[str]:
    for name, array in group.arrays():
        if array.ndim >= 2:
            yield above + name
    for name, inner in group.groups():
        yield from _names(inner, f"{above}{name}/")


def _of_array(array: Any, around: Any, path: Path) -> Stack:
    steps = array.attrs.get(SPACING, around.attrs.get(SPACING))
    return Stack(array=array, axes=axes_by_count(array.ndim, str(path)), spacing_um=_three(steps, path))


def _three(steps: Any, path: Path) -> Spacing | None:
    if steps is None:
        return None
    if not isinstance(steps, (list, tuple)) or len(steps) != 3 or not all(isinstance(s, (int, float)) for s in steps):
        raise FrameError(f"{path}: has {SPACING} of {steps!r}, expected three numbers along z, y, x; correct it")
    return float(steps[0]), float(steps[1]), float(steps[2])


def _of_image(group: Any, image: Mapping[str, Any], path: Path) -> Stack:
    """The finest level. Source: OME-NGFF 0.4 and 0.5, "multiscales": axes, and a scale for each level and for all of them."""
    level = image["datasets"][0]
    array = group[level["path"]]
    named = [axis if isinstance(axis, dict) else {"name": axis} for axis in image.get("axes", ())]
    axes = "".join(str(axis["name"]) for axis in named) or axes_by_count(array.ndim, str(path))
    if (
        len(axes) != array.ndim
        or not set(axes) <= set("tczyx")
        or not {"y", "x"} <= set(axes)
        or len(set(axes)) < len(axes)
    ):
        raise FrameError(
            f"{path}: names the axes {axes!r} of an array with {array.ndim}, expected some of t c z y x; correct it"
        )
    scales = [
        step["scale"]
        for step in (*level.get("coordinateTransformations", ()), *image.get("coordinateTransformations", ()))
        if step["type"] == "scale"
    ]
    units = {axis["name"]: UNIT_UM.get(str(axis.get("unit"))) for axis in named}
    return Stack(array=array, axes=axes, spacing_um=_scaled(axes, scales, units))


def _scaled(axes: str, scales: list[list[float]], units: Mapping[str, float | None]) -> Spacing | None:
    """None where there is no scale, or an axis has no unit of length. A missing z axis has one plane, 1 um thick."""
    steps = {"z": 1.0}
    for at, axis in enumerate(axes):
        unit = units.get(axis)
        if axis in "zyx":
            if not scales or unit is None:
                return None
            steps[axis] = unit * math.prod(float(scale[at]) for scale in scales)
    return steps["z"], steps["y"], steps["x"]
