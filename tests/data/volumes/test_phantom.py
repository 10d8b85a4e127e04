"""Simulated volumes: reproducible, with a truth that is what was drawn, and with the optics they speak of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeneuro.data.volumes.capsules import Grid
from edgeneuro.data.volumes.phantom import simulate
from edgeneuro.data.volumes.phantom_microscope import FULL_SCALE, Microscope, brightness, fluorescence, record
from edgeneuro.data.volumes.swc_mask import swc_mask
from edgeneuro.errors import DataError
from edgeneuro.neuron import SOMA
from edgeneuro.spec import Array
from tests.neurons import Row, tree

SHAPE = (16, 32, 32)
PERFECT = Microscope(
    psf_um=(0.05, 0.05, 0.05), photons=400.0, fade_um=1e9, beads=0.0, depth_um=1e9, haze=0.0, background=1.0, mottle=0.0,
    gain=5.0, read_noise=0.0,
)  # fmt: skip
BALL: tuple[Row, ...] = ((1, 8, 8, 8, 2.5, -1),)
GRID = Grid(shape=(17, 17, 17), spacing_um=(1, 1, 1))


def recorded(microscope: Microscope, rows: tuple[Row, ...] = BALL) -> Array:
    """Grey levels above the offset, in photons."""
    grey = record(tree(rows), GRID, microscope, np.random.default_rng(0)).astype(float)
    return (grey - microscope.offset) / microscope.gain


def test_the_same_numbers_give_the_same_volume_and_others_another() -> None:
    first, again, other, seed = (simulate(*numbers, SHAPE) for numbers in [(0, 1), (0, 1), (0, 2), (1, 1)])
    np.testing.assert_array_equal(first.volume.voxels, again.volume.voxels)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert not np.array_equal(first.mask, other.mask) and not np.array_equal(first.mask, seed.mask)


def test_volume_mask_and_tree_belong_together() -> None:
    made = simulate(0, 0, SHAPE)
    assert made.volume.voxels.shape == made.mask.shape == SHAPE
    assert made.volume.voxels.dtype == np.uint16 and made.volume.voxels.max() <= FULL_SCALE
    np.testing.assert_array_equal(made.mask, swc_mask(made.neuron, SHAPE, made.volume.spacing_um))
    assert set(np.unique(made.mask)) == {0, 1, 255}
    assert (made.neuron.parents < np.arange(len(made.neuron))).all()


def test_every_volume_has_its_soma_and_axons_from_elsewhere() -> None:
    for number in range(2):
        neuron = simulate(0, number, SHAPE).neuron
        assert np.count_nonzero(neuron.types == SOMA) == 1
        assert np.count_nonzero(neuron.parents < 0) > 1


def test_without_noise_and_blur_light_is_where_the_mask_is() -> None:
    clean = simulate(0, 0, SHAPE, microscope=PERFECT)
    bright = clean.volume.normalised()
    assert np.median(bright[clean.mask == 1]) > 20 * np.median(bright[clean.mask == 0]) + 0.1


def test_the_microscope_does_not_move_the_neurons() -> None:
    np.testing.assert_array_equal(simulate(0, 3, SHAPE).mask, simulate(0, 3, SHAPE, microscope=PERFECT).mask)


def test_a_voxel_half_inside_a_tube_has_half_its_light() -> None:
    dye = fluorescence(tree(((3, 2, 4, 4, 2, -1), (3, 6, 4, 4, 2, 1))), GRID, np.array([1.0, 0.6]))
    assert dye[4, 4, 4] == pytest.approx(0.6)  # the light of the farther node
    assert dye[4, 6, 4] == pytest.approx(0.3)  # its centre is on the surface
    assert dye[4, 7, 4] == 0


def test_a_neurite_dims_with_its_path() -> None:
    rows: tuple[Row, ...] = ((1, 0, 0, 0, 1, -1), (3, 10, 0, 0, 1, 1), (3, 10, 10, 0, 1, 2))
    dims = replace(PERFECT, fade_um=10.0, faintest=0.0)
    np.testing.assert_allclose(brightness(tree(rows), dims, np.random.default_rng(0)), np.exp([0, -1, -2]))


def test_the_point_spread_function_is_longer_along_z() -> None:
    blurred = recorded(replace(PERFECT, psf_um=(2.0, 0.5, 0.5)))
    sharp = recorded(PERFECT)
    assert sharp[12, 8, 8] < 10 and blurred[12, 8, 8] > 20  # 4 um from the centre of a ball of 2.5 um
    assert blurred[8, 8, 12] < 10


def test_light_from_deep_is_dimmer() -> None:
    rows: tuple[Row, ...] = ((1, 8, 8, 3, 2, -1), (1, 8, 8, 13, 2, -1))
    deep = recorded(replace(PERFECT, depth_um=10.0), rows)
    shallow, far = (deep[z, 7:10, 7:10].mean() for z in (3, 13))
    assert far / shallow == pytest.approx(np.exp(-1), rel=0.12)  # standard error of nine voxels: 4 %


def test_haze_reaches_where_nothing_is_sharp() -> None:
    corner = np.s_[:4, :4, :4]
    assert recorded(replace(PERFECT, haze=3.0))[corner].mean() > recorded(PERFECT)[corner].mean() + 2


def test_noise_is_that_of_counted_photons() -> None:
    counts = recorded(replace(PERFECT, background=20.0), rows=((1, 8, 8, 8, 0.0, -1),))[:, :4]
    variance = np.diff(counts, axis=0).var() / 2  # the tissue's light is even along z here
    assert variance / counts.mean() == pytest.approx(1, abs=0.2)  # 1088 differences: standard error 0.05


@pytest.mark.parametrize(("seed", "number", "shape"), [(-1, 0, SHAPE), (0, -1, SHAPE), (0, 0, (4, 32, 32))])
def test_impossible_volumes_are_refused(seed: int, number: int, shape: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match="at least 8"):
        simulate(seed, number, shape)
