"""Weak labels without a network: Frangi's measure by hand, and seeds on a tube whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.spec import Array, Float32
from edgeneuro.training.weak.seeding import SeedSettings, seed_labels, tube_likeness, vesselness
from edgeneuro.volume import BACKGROUND, FOREGROUND, IGNORE

E2 = 1 - np.exp(-2.0)
"""1 - exp(-R_A^2 / 2a^2) at R_A = 1, and 1 - exp(-S^2 / 2c^2) where S is the largest, 2c."""


def tube(radius: float, axis: int = 0, shape: tuple[int, ...] = (17, 21, 21)) -> Float32:
    """A bright tube with a Gaussian section through the middle, along one axis."""
    grids = np.meshgrid(*(np.arange(size) - size // 2 for size in shape), indexing="ij")
    squared = sum(grid.astype(float) ** 2 for place, grid in enumerate(grids) if place != axis)
    section: Array = np.exp(-squared / (2 * radius**2))
    return section.astype(np.float32)


def test_frangi_of_an_ideal_tube_a_plate_a_ball_and_a_dark_tube() -> None:
    shapes = np.array([[0.0, -1.0, -1.0], [0.0, 0.0, -1.0], [-1.0, -1.0, -1.0], [0.0, 1.0, 1.0]])
    tube, plate, ball, dark = (float(tube_likeness(shape[:, None])[0]) for shape in shapes)
    assert tube == pytest.approx(E2 * E2)
    assert ball == pytest.approx(E2 * np.exp(-2.0) * E2)
    assert plate == dark == 0.0


def test_frangi_by_hand_with_unequal_curvatures_in_any_order() -> None:
    # l = 1, -2, -8: R_A = 1/4, R_B = 1/4, S^2 = 69; the largest S^2 of the two voxels is 276, so c^2 = 69
    eigenvalues = np.array([[-8.0, 2.0], [1.0, -4.0], [-2.0, -16.0]])
    first, second = tube_likeness(eigenvalues)
    by_hand = (1 - np.exp(-(0.25**2) * 2)) * np.exp(-(0.25**2) * 2)
    assert first == pytest.approx(by_hand * (1 - np.exp(-0.5)))
    assert second == pytest.approx(by_hand * E2)


def test_frangi_in_the_plane_has_no_factor_for_plates() -> None:
    line, blob, dark = (np.array(pair)[:, None] for pair in ([0.0, -3.0], [-3.0, -3.0], [0.0, 3.0]))
    assert tube_likeness(line)[0] == pytest.approx(E2)
    assert tube_likeness(blob)[0] == pytest.approx(np.exp(-2.0) * E2)
    assert tube_likeness(dark)[0] == 0.0


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("radius", [1.0, 3.0])
def test_tubes_of_any_direction_and_thickness_answer_along_their_axis(axis: int, radius: float) -> None:
    values = tube(radius, axis, (17, 17, 17))
    answer = vesselness(values)
    assert answer[8, 8, 8] > 0.7
    assert answer[8, 8, 8] == answer.max()
    assert vesselness(1 - values)[8, 8, 8] == 0.0


def test_seeds_lie_on_the_tube_and_the_background_away_from_it() -> None:
    noisy = np.clip(0.8 * tube(1.5) + np.random.default_rng(0).normal(0.1, 0.03, (17, 21, 21)), 0, 1).astype(np.float32)
    labels, truth = seed_labels(noisy, SeedSettings()), tube(1.5) > 0.5
    assert set(np.unique(labels)) == {BACKGROUND, FOREGROUND, IGNORE}
    seeds = labels == FOREGROUND
    assert seeds.sum() >= 60 and truth[seeds].mean() > 0.95
    assert not truth[labels == BACKGROUND].any()
    assert (labels == BACKGROUND).mean() >= 0.5


def test_seeds_are_found_in_an_image_as_well() -> None:
    image = tube(1.5, shape=(31, 31))
    labels = seed_labels(image, SeedSettings())
    assert (np.flatnonzero((labels == FOREGROUND).any(0)) == [15]).all()


def test_dark_tubes_are_found_where_asked_as_bright_ones_in_the_negative() -> None:
    image = tube(1.5, shape=(31, 31))
    dark = seed_labels(1 - image, SeedSettings(dark=True))
    assert (np.flatnonzero((dark == FOREGROUND).any(0)) == [15]).all()
    assert not (seed_labels(image, SeedSettings(dark=True))[:, 15] == FOREGROUND).any()


def test_a_vessel_like_voxel_that_is_not_brighter_than_its_neighbourhood_is_no_seed() -> None:
    values = tube(1.5)
    assert (seed_labels(values, SeedSettings()) == FOREGROUND).any()
    assert not (seed_labels(values, SeedSettings(deviations=50.0)) == FOREGROUND).any()


def test_an_empty_block_has_no_seeds() -> None:
    assert not (seed_labels(np.full((9, 9, 9), 0.3, np.float32), SeedSettings()) == FOREGROUND).any()
