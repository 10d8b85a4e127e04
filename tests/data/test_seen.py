"""A data set as a network with tiles sees it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.seen import seen_by
from edgeneuro.errors import DataError
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import Array, Frame
from edgeneuro.tiled import FULL, Tiled
from edgeneuro.volume import IGNORE
from tests.neurons import tree

SHAPES_2D, SHAPES_3D = ((4, 4), (6, 9), (3, 5)), ((2, 4, 4), (3, 4, 6))


def preprocess(*tile: int) -> Preprocess:
    return Preprocess(
        height=tile[-2],
        width=tile[-1],
        depth=tile[0] if len(tile) == 3 else None,
        bit_depth=16,
        max_value=FULL,
        tiled=Tiled(low=0, high=100),
    )


def numbered(shapes: tuple[tuple[int, ...], ...], sample: Sample) -> Frame:
    """Every pixel its own number, from 0 up."""
    shape = shapes[int(sample.source)]
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


def odd(shapes: tuple[tuple[int, ...], ...], sample: Sample) -> Array:
    return (numbered(shapes, sample) % 2).astype(np.uint8)


def frames(shapes: tuple[tuple[int, ...], ...]) -> DataSet:
    return DataSet(
        name="frames",
        classes=("background", "neurite"),
        samples=tuple(
            Sample(source=str(n), index=0, target=None, group=f"g{n // 2}", fold=n, tags={"who": "x"})
            for n in range(len(shapes))
        ),
        reader=partial(numbered, shapes),
        mask_reader=partial(odd, shapes),
    )


def test_tiles_lie_beside_each_other_and_keep_what_their_frame_belongs_to() -> None:
    seen = seen_by(frames(SHAPES_2D), preprocess(4, 4))
    sources = [sample.source for sample in seen.samples]
    assert sources == ["0"] + 6 * ["1"] + 2 * ["2"]
    assert [sample.index for sample in seen.samples] == list(range(9))
    assert [sample.group for sample in seen.samples] == 7 * ["g0"] + 2 * ["g1"]
    assert (seen.samples[7].fold, seen.samples[7].tags, seen.tile) == (2, {"who": "x"}, (4, 4))


def test_a_tile_holds_the_frame_scaled_as_a_whole_and_the_same_part_of_its_mask() -> None:
    data = frames(SHAPES_2D)
    seen = seen_by(data, preprocess(4, 4))
    whole = preprocess(4, 4).whole(data.read(data.samples[1]))
    assert whole.max() == FULL
    np.testing.assert_array_equal(seen.read(seen.samples[1]), whole[:4, :4], strict=True)
    np.testing.assert_array_equal(seen.read(seen.samples[6]), whole[2:, 5:], strict=True)
    np.testing.assert_array_equal(seen.mask(seen.samples[6]), data.mask(data.samples[1])[2:, 5:], strict=True)


def test_a_frame_smaller_than_a_tile_is_filled_by_reflection_and_its_mask_with_ignore() -> None:
    data = frames(SHAPES_2D)
    seen = seen_by(data, preprocess(4, 4))
    tile, mask = seen.read(seen.samples[7]), seen.mask(seen.samples[7])
    np.testing.assert_array_equal(tile[3], tile[2])
    np.testing.assert_array_equal(mask[3], np.full(4, IGNORE))
    np.testing.assert_array_equal(mask[:3], data.mask(data.samples[2])[:, :4])


def test_volumes_are_cut_along_all_three_axes() -> None:
    seen = seen_by(frames(SHAPES_3D), preprocess(2, 4, 4))
    assert [sample.source for sample in seen.samples] == ["0"] + 4 * ["1"]
    assert all(seen.read(sample).shape == seen.mask(sample).shape == (2, 4, 4) for sample in seen.samples)
    covered = np.unique(np.concatenate([seen.read(sample).ravel() for sample in seen.samples[1:]]))
    assert len(covered) == 3 * 4 * 6


def test_cutting_twice_is_cutting_once_and_other_networks_see_frames_as_they_are() -> None:
    data = frames(SHAPES_2D)
    once = seen_by(data, preprocess(4, 4))
    assert seen_by(once, preprocess(4, 4)) is once
    assert seen_by(data, Preprocess(height=32, width=32)) is data
    assert seen_by(data, None) is data


def test_a_part_of_the_tiles_still_reads_its_own() -> None:
    seen = seen_by(frames(SHAPES_2D), preprocess(4, 4))
    part = seen.subset(seen.samples[5:])
    np.testing.assert_array_equal(part.read(part.samples[1]), seen.read(seen.samples[6]))


def test_a_mask_of_another_size_is_refused_by_name() -> None:
    data = replace(frames(SHAPES_2D), mask_reader=lambda _: np.zeros((5, 9), np.uint8))
    seen = seen_by(data, preprocess(4, 4))
    with pytest.raises(DataError, match=r"1: has a mask of \(5, 9\), expected \(6, 9\)"):
        seen.mask(seen.samples[1])


def test_neurons_are_refused_by_a_network_that_cuts_tiles() -> None:
    with pytest.raises(DataError, match="holds neurons, expected images or volumes with masks"):
        seen_by(replace(frames(SHAPES_2D), neuron_reader=lambda _: tree()), preprocess(4, 4))
