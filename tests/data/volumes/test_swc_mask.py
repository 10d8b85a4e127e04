"""Masks of neurons: tubes by hand, the band around them, and trees that are not in the volume."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.data.volumes.swc_mask import swc_mask
from edgeneuro.errors import DataError
from edgeneuro.spec import Array
from tests.neurons import Row, tree

THIN: tuple[Row, ...] = ((3, 2, 2, 2, 0.1, -1), (3, 6, 2, 2, 0.1, 1))
"""Along x, from voxel 2 to 6, thinner than a voxel."""


def labels_along(mask: Array, z: int, y: int) -> list[int]:
    values: list[int] = mask[z, y].tolist()
    return values


def test_the_thinnest_neurite_is_one_voxel_wide_with_a_band_of_one_voxel() -> None:
    mask = swc_mask(tree(THIN), (5, 5, 9), (1, 1, 1))
    assert mask.dtype == np.uint8
    assert labels_along(mask, 2, 2) == [0, 255, 1, 1, 1, 1, 1, 255, 0]
    band = [0, 255, 255, 255, 255, 255, 255, 255, 0]
    assert all(labels_along(mask, z, y) == band for z, y in [(1, 1), (1, 2), (2, 1), (2, 3), (3, 3)])
    assert not mask[0].any() and not mask[4].any()
    assert np.count_nonzero(mask == 1) == 5


def test_x_y_z_of_the_tree_are_the_last_to_first_axis_of_the_mask() -> None:
    mask = swc_mask(tree([(3, 5, 3, 1, 0.1, -1), (3, 5, 3, 1, 0.1, 1)]), (3, 5, 7), (1, 1, 1))
    assert np.argwhere(mask == 1).tolist() == [[1, 3, 5]]


def test_a_ball_holds_the_centres_within_its_radius() -> None:
    mask = swc_mask(tree([(1, 4, 4, 4, 2.5, -1)]), (9, 9, 9), (1, 1, 1))
    z, y, x = np.indices(mask.shape) - 4
    np.testing.assert_array_equal(mask == 1, z**2 + y**2 + x**2 <= 2.5**2)


def test_the_radius_changes_evenly_between_two_nodes() -> None:
    mask = swc_mask(tree([(3, 2, 8, 1, 1.2, -1), (3, 10, 8, 1, 5.2, 1)]), (3, 17, 17), (1, 1, 1))
    widths = [int(np.count_nonzero(mask[1, :, x] == 1)) for x in (2, 4, 6, 8)]
    assert widths == [3, 5, 7, 9]  # radii 1.2, 2.2, 3.2, 4.2


def test_a_neurite_leaves_the_soma_with_its_own_radius() -> None:
    mask = swc_mask(tree([(1, 8, 8, 2, 4, -1), (3, 20, 8, 2, 0.4, 1)]), (5, 17, 24), (1, 1, 1))
    assert [int(np.count_nonzero(mask[2, :, x] == 1)) for x in (8, 13, 16)] == [9, 1, 1]


def test_anisotropic_voxels_are_measured_in_um_from_the_origin() -> None:
    rows: tuple[Row, ...] = ((3, 10, 20, 30, 2.1, -1),)
    mask = swc_mask(tree(rows), (5, 9, 17), (2.0, 1.0, 0.5), (26.0, 16.0, 6.0))
    centre = (2, 4, 8)
    assert mask[centre] == 1
    inside = np.argwhere(mask == 1) - centre
    assert np.abs(inside).max(0).tolist() == [1, 2, 4]  # 2.1 um in steps of 2, 1 and 0.5 um


def test_a_slanting_neurite_is_whole() -> None:
    mask = swc_mask(tree([(3, 0, 0, 0, 0.1, -1), (3, 19, 11, 6, 0.1, 1)]), (7, 12, 20), (1, 1, 1))
    steps = np.diff(np.argwhere(mask == 1)[np.argsort(np.argwhere(mask == 1)[:, 2])], axis=0)
    assert np.abs(steps).max() == 1


def test_a_tree_outside_the_volume_says_by_how_much() -> None:
    rows: tuple[Row, ...] = ((3, 2, 2, 2, 0.1, -1), (3, 12, 2, -4, 0.1, 1), (3, 2, 3, 2, 0.1, 1))
    with pytest.raises(
        DataError, match=r"1 of 3 nodes lie outside .* by up to 3.5 um along z, 3.5 um along x; check its unit"
    ):
        swc_mask(tree(rows), (5, 5, 9), (1, 1, 1))


def test_a_node_on_the_outer_face_is_inside_and_one_beyond_it_is_not() -> None:
    faces: tuple[Row, ...] = ((3, -0.5, 0, 0, 0.1, -1), (3, 4.5, 0, 0, 0.1, 1))
    assert swc_mask(tree(faces), (1, 1, 5), (1, 1, 1)).all()
    with pytest.raises(DataError, match=r"0\.1 um along x"):
        swc_mask(tree([*faces, (3, 4.6, 0, 0, 0.1, 2)]), (1, 1, 5), (1, 1, 1))
