"""A data set as a network sees it: neurons drawn, large frames in tiles, everything else as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np

from edgeneuro.data.masks import refuse_other_size
from edgeneuro.data.recordings.session import Session, refuse_other_session
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import DataError
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Array, Frame
from edgeneuro.tiles import Region, Tiling
from edgeneuro.volume import IGNORE


def seen_by(
    data: DataSet, preprocess: Preprocess | None, *, session: Session | None = None, what: str = "network"
) -> DataSet:
    """`data` in the pictures or tiles that a network with this preprocessing takes; None for one that takes arrays;
    session: then, whose neurons' responses, None for other arrays. what: its name.

    Tiles lie beside each other, the last ones moved back to end with the frame; a frame smaller than a tile is filled up by
    reflection, and its mask with IGNORE. A tile keeps the group, fold and tags of its frame, whose name stays its source; its index
    is its number in the whole set. Every frame is read once to find its size; a set that is cut so already comes back. Raises DataError (neurons for a network without a
    drawing, another session), FrameError.
    """
    refuse_other_session(session, data.session, what)
    if preprocess is None or preprocess.tiled is None:
        return data.drawn_as(None if preprocess is None else preprocess.drawing)
    if data.tile == preprocess.tile:
        return data
    if data.has_neurons:
        raise DataError(f"{data.name}: holds neurons, expected images or volumes with masks; give another set")
    pieces = _Pieces(data, preprocess)
    return replace(
        data,
        samples=tuple(pieces.samples()),
        reader=pieces.read,
        array_reader=None,
        volume_reader=None,
        mask_reader=pieces.mask if data.has_masks else None,
        tile=preprocess.tile,
    )


class _Pieces:
    """The tiles of one set. The frame read last is kept: tiles of one frame are usually asked for in turn."""

    def __init__(self, data: DataSet, preprocess: Preprocess) -> None:
        self.frames, self.tile = data.samples, preprocess.tile
        self.frame = lru_cache(1)(lambda number: preprocess.whole(data.read(data.samples[number])))
        self.frame_mask = lru_cache(1)(lambda number: self._whole_mask(data, number))
        self.places = [
            (number, region)
            for number in range(len(data))
            for region in Tiling.beside(self.frame(number).shape, self.tile)
        ]

    def samples(self) -> Iterator[Sample]:
        """One a tile."""
        for index, (number, _) in enumerate(self.places):
            yield replace(self.frames[number], index=index)

    def read(self, sample: Sample) -> Frame:
        """([depth,] height, width) uint16."""
        number, region = self.places[sample.index]
        return np.pad(self.frame(number)[region], self._beyond(region), mode="symmetric")

    def mask(self, sample: Sample) -> Array:
        """([depth,] height, width) uint8."""
        number, region = self.places[sample.index]
        return np.pad(self.frame_mask(number)[region], self._beyond(region), constant_values=IGNORE)

    def _whole_mask(self, data: DataSet, number: int) -> Array:
        sample = self.frames[number]
        mask = data.mask(sample)
        refuse_other_size(mask, self.frame(number), sample.source)
        return mask

    def _beyond(self, region: Region) -> list[tuple[int, int]]:
        """Voxels to add behind a region of a frame smaller than a tile, along every axis."""
        return [(0, side - (part.stop - part.start)) for side, part in zip(self.tile, region, strict=True)]
