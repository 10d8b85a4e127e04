"""Centre lines, also of what the library erases."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeneuro.data.volumes.phantom import simulate
from edgeneuro.metrics.skeleton import Mask, skeleton

Z, Y, X = np.mgrid[:16, :16, :40]
INSIDE = (X >= 5) & (X < 35)


def box(height: int, width: int) -> Mask:
    mask: NDArray[np.bool_] = (Z >= 5) & (5 + height > Z) & (Y >= 5) & (5 + width > Y) & INSIDE
    return mask


@pytest.mark.parametrize("height", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("width", [1, 2, 4, 5])
def test_a_tube_of_any_width_has_a_line_along_all_its_length(height: int, width: int) -> None:
    line = np.argwhere(skeleton(box(height, width)))
    assert 29 - max(height, width) <= len(line) <= 30
    assert (
        abs(line[:, 0].mean() - (5 + (height - 1) / 2)) <= 0.75
        and abs(line[:, 1].mean() - (5 + (width - 1) / 2)) <= 0.75
    )


@pytest.mark.parametrize("radius", [1.0, 1.5, 2.5, 3.0])
@pytest.mark.parametrize("off", [0.0, 0.25, 0.5])
def test_a_round_tube_has_one_wherever_its_axis_lies_between_voxels(radius: float, off: float) -> None:
    mask = ((Z - 8 - off) ** 2 + (Y - 8 - off) ** 2 <= radius**2) & INSIDE
    assert 24 <= np.count_nonzero(skeleton(mask)) <= 30


def test_the_line_lies_inside_the_mask_and_along_all_neurites_of_a_simulated_volume() -> None:
    mask = simulate(0, 1, (24, 48, 48)).mask == 1
    line = skeleton(mask)
    assert not (line & ~mask).any()
    near = np.zeros_like(mask)
    for z, y, x in np.argwhere(line):
        near[max(z - 6, 0) : z + 7, max(y - 6, 0) : y + 7, max(x - 6, 0) : x + 7] = True
    assert np.count_nonzero(mask & ~near) / np.count_nonzero(mask) < 0.1


def test_masks_at_the_border_and_empty_ones_are_taken() -> None:
    edge = np.zeros((4, 4, 9), bool)
    edge[:2, :2] = True
    assert np.count_nonzero(skeleton(edge)) >= 7
    assert not skeleton(np.zeros((3, 4, 5), bool)).any()


def test_a_bar_in_the_plane_keeps_its_length() -> None:
    bar = np.zeros((9, 30), bool)
    bar[3:7, 3:27] = True
    assert 20 <= np.count_nonzero(skeleton(bar)) <= 24


@pytest.mark.parametrize("radius", [3.0, 4.0, 6.5, 7.0])
def test_a_ball_has_no_branches_to_the_bumps_of_its_surface(radius: float) -> None:
    mask = radius**2 >= (Z - 8) ** 2 + (Y - 8) ** 2 + (X - 20) ** 2
    assert 1 <= np.count_nonzero(skeleton(mask)) <= 7  # its middle and its six poles
