"""Tiles blended to one output: exact, in any order, in constant memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from edgeneuro.errors import FrameError, ShapeError, UsageError
from edgeneuro.spec import Array, Float32
from edgeneuro.tiles import Blend, Read, Tiling, infer_region, read_tile

TILINGS = [
    Tiling(shape=(37, 50), tile=(16, 12), overlap=(8, 5)),
    Tiling(shape=(7, 14, 11), tile=(4, 8, 8), overlap=(2, 4, 3)),
    Tiling(shape=(3, 20, 9), tile=(4, 8, 8), overlap=(0, 0, 4)),
]


def volume_of(tiling: Tiling) -> Float32:
    return np.random.default_rng(0).normal(size=(2, *tiling.shape)).astype(np.float32)


def uneven(batch: Float32) -> Array:
    """A network whose answer depends on where in the tile a voxel lies, so that tiles disagree: 2 channels -> 3 classes."""
    places = np.linspace(-3, 3, batch[0, 0].size, dtype=np.float32).reshape(batch.shape[2:])
    return np.stack([batch[:, 0], batch[:, 1] * places, places[None] + batch.mean()], axis=1)


def reader(volume: Array) -> Read:
    return lambda region: volume[(slice(None), *region)]


@pytest.mark.parametrize("tiling", TILINGS)
def test_any_order_of_tiles_gives_the_same_bits(tiling: Tiling) -> None:
    read = reader(volume_of(tiling))
    answers = {start: uneven(read_tile(read, tiling, start)[None])[0] for start in tiling.touching(tiling.whole)}
    results = set()
    for seed in range(10):
        blend, starts = Blend(tiling, tiling.whole), list(answers)
        for place in np.random.default_rng(seed).permutation(len(starts)):
            blend.add(starts[place], answers[starts[place]])
        results.add(blend.logits().tobytes())
    assert len(results) == 1


@pytest.mark.parametrize("tiling", TILINGS)
def test_any_cut_into_regions_gives_the_same_bits(tiling: Tiling) -> None:
    read = reader(volume_of(tiling))
    whole = infer_region(read, uneven, tiling, tiling.whole)
    for size in ((5, 7, 6), (4, 30, 9)):
        cut = np.full_like(whole, np.nan)
        for region in tiling.regions(size[-len(tiling.shape) :]):
            cut[(slice(None), *region)] = infer_region(read, uneven, tiling, region)
        assert cut.tobytes() == whole.tobytes()


@pytest.mark.parametrize("tiling", TILINGS)
def test_it_is_the_mean_weighted_by_a_gaussian_of_the_place_in_the_tile(tiling: Tiling) -> None:
    read = reader(volume_of(tiling))
    padded = [max(size, tile) for size, tile in zip(tiling.shape, tiling.tile, strict=True)]
    total, weight = np.zeros((3, *padded)), np.zeros(padded)
    grids = np.meshgrid(*((np.arange(n) - (n - 1) / 2) / (n / 8) for n in tiling.tile), indexing="ij")
    gaussian = np.exp(-sum(grid**2 for grid in grids) / 2)
    for start in tiling.touching(tiling.whole):
        place = tuple(slice(a, a + n) for a, n in zip(start, tiling.tile, strict=True))
        total[(slice(None), *place)] += gaussian * uneven(read_tile(read, tiling, start)[None])[0]
        weight[place] += gaussian
    inside = tuple(slice(0, size) for size in tiling.shape)
    mean = (total / weight)[(slice(None), *inside)]
    found = infer_region(read, uneven, tiling, tiling.whole)
    # at the ends of tiles a weight of 1/256 stands for smaller ones as well: where only ends meet, the two means differ
    middle = (weight > 0.05)[inside]
    assert middle.mean() > 0.2
    assert found[:, middle] == pytest.approx(mean[:, middle], abs=0.15)
    assert np.abs(found - mean)[:, middle].mean() < 0.01


def test_where_tiles_agree_the_output_is_what_the_network_says() -> None:
    tiling = TILINGS[1]
    volume = volume_of(tiling)
    found = infer_region(reader(volume), lambda batch: batch, tiling, tiling.whole)
    assert found == pytest.approx(volume, abs=1e-6)  # a logit is kept to 2^-20


@pytest.mark.parametrize("size", [1, 7, 8, 9, 12, 13, 40])
@pytest.mark.parametrize("overlap", [0, 3, 4])
def test_tiles_cover_the_axis_and_those_found_to_touch_are_those_that_do(size: int, overlap: int) -> None:
    tiling = Tiling(shape=(size, 4), tile=(8, 4), overlap=(overlap, 0))
    every = tiling.starts(0, slice(0, size))
    covered = {place for start in every for place in range(start, start + 8)}
    assert covered >= set(range(size)) and every[-1] == max(size - 8, 0)
    assert max(sum(start <= place < start + 8 for start in every) for place in range(size)) <= 3
    for low in range(size):
        for high in range(low + 1, size + 1):
            touching = [start for start in every if start < high and start + 8 > low]
            assert tiling.starts(0, slice(low, high)) == touching


def test_memory_does_not_grow_with_the_array() -> None:
    def peak_bytes(size: int) -> int:
        tiling = Tiling(shape=(size, size), tile=(8, 8), overlap=(4, 4))
        middle = (slice(size // 2, size // 2 + 32),) * 2
        shape = (1, 8, 8)
        tracemalloc.start()
        infer_region(lambda region: np.ones(shape, np.float32), lambda batch: batch, tiling, middle)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(128)
    assert peak_bytes(1_000_000) < 1.1 * peak_bytes(128)


def test_the_surest_logits_are_kept_in_range_and_never_overflow() -> None:
    tiling = Tiling(shape=(6, 6, 6), tile=(4, 4, 4), overlap=(2, 2, 2))
    found = infer_region(
        lambda region: np.ones((1, 4, 4, 4), np.float32), lambda batch: batch * np.float32(-1e30), tiling, tiling.whole
    )
    assert (found == -(2.0**13)).all()


def test_logits_that_are_not_finite_are_refused_with_the_place() -> None:
    tiling = Tiling(shape=(8, 4), tile=(4, 4), overlap=(0, 0))
    volume = np.zeros((1, 8, 4), np.float32)
    volume[0, 6, 1] = np.nan
    with pytest.raises(FrameError, match=r"tile at \(4, 0\): the network's logits are not finite"):
        infer_region(reader(volume), lambda batch: batch, tiling, tiling.whole)


def test_a_tile_counts_once_and_none_may_be_missing() -> None:
    tiling = Tiling(shape=(8, 4), tile=(4, 4), overlap=(0, 0))
    blend = Blend(tiling, tiling.whole)
    blend.add((0, 0), np.zeros((1, 4, 4)))
    with pytest.raises(ShapeError, match=r"1 tiles are missing, first \(4, 0\)"):
        blend.logits()
    with pytest.raises(ShapeError, match="add each tile once"):
        blend.add((0, 0), np.zeros((1, 4, 4)))
    with pytest.raises(ShapeError, match=r"got logits \(1, 2, 2\), expected \(1, 4, 4\)"):
        blend.add((4, 0), np.zeros((1, 2, 2)))


def test_regions_and_tiles_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="is not inside the array"):
        list(TILINGS[0].touching((slice(0, 40), slice(0, 5))))
    with pytest.raises(UsageError, match="got an overlap of 5 voxels, expected 0 to 4, half a tile"):
        Tiling(shape=(20, 20), tile=(8, 8), overlap=(5, 0))
    with pytest.raises(UsageError, match="expected two or three axes"):
        Tiling(shape=(20, 20), tile=(8, 8, 8), overlap=(0, 0))
    with pytest.raises(ShapeError, match=r"got values \(1, 3, 3\)"):
        read_tile(lambda region: np.zeros((1, 3, 3)), Tiling(shape=(8, 8), tile=(4, 4), overlap=(0, 0)), (0, 0))
