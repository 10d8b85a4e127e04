"""Masks of whole images and volumes, whatever their size, by networks that take tiles of a fixed one."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgeneuro.errors import FrameError
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime.postprocess import Segmentation, class_mask
from edgeneuro.spec import Float32, Item
from edgeneuro.tiled import Tiled
from edgeneuro.tiles import Region, Run, Tiling, infer_region

REGION_VOXELS = 2**26
"""Blended at once; larger frames are blended in several regions, with the same result. A voxel takes about 35 bytes meanwhile."""

Given = TypeVar("Given")
Made = TypeVar("Made")


def segment_frame(preprocess: Preprocess, tiled: Tiled, network: Run, item: Item) -> Segmentation:
    """The mask of one image or volume, at its own size and between its own grey levels; without flags.

    tiled: of `preprocess`. item: (height, width[, 3]) or, of networks for volumes, (depth, height, width). ms: "inference" is what the
    tiles took in the network, "preprocess" what it took to make them, "postprocess" the rest, which is to blend them. Raises
    FrameError for what is no such frame or holds NaN, BackendError.
    """
    if not isinstance(item, np.ndarray):
        raise FrameError(
            f"frame: got arrays {', '.join(item)}, expected one image or volume; this network takes frames"
        )
    start = perf_counter()
    watch = _Watch()
    frame = watch.timed("preprocess", preprocess.whole)(item)

    def part(region: Region) -> Float32:
        return preprocess.normalise(frame[region])

    read = watch.timed("preprocess", part)
    run = watch.timed("inference", network)
    tiling = Tiling(shape=frame.shape, tile=preprocess.tile, overlap=tiled.overlaps(preprocess.tile))
    mask: NDArray[np.uint8] = np.empty(frame.shape, np.uint8)
    for region in tiling.regions(_at_once(frame.shape)):
        mask[region] = class_mask(infer_region(read, run, tiling, region))
    share = float(np.count_nonzero(mask)) / mask.size
    watch.ms["postprocess"] = 1e3 * (perf_counter() - start) - sum(watch.ms.values())
    return Segmentation(mask=mask, foreground_fraction=share, ms=watch.ms)


def _at_once(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Size of regions of REGION_VOXELS at most, its longest side halved first: tiles across a border are computed for both regions."""
    size = list(shape)
    while math.prod(size) > REGION_VOXELS:
        longest = size.index(max(size))
        size[longest] = -(-size[longest] // 2)
    return tuple(size)


class _Watch:
    """ms: of wall time, by step."""

    def __init__(self) -> None:
        self.ms = {"preprocess": 0.0, "inference": 0.0}

    def timed(self, step: str, work: Callable[[Given], Made]) -> Callable[[Given], Made]:
        """`work`, its time added to that of `step`."""

        def run(given: Given) -> Made:
            start = perf_counter()
            made = work(given)
            self.ms[step] += 1e3 * (perf_counter() - start)
            return made

        return run
