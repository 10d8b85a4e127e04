"""Pseudo-labels: thresholds voxel by voxel, then what is kept for its form."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.spec import Array
from edgeneuro.training.weak.filters import FilterSettings, components, neurites, pseudo_labels, voxel_labels
from edgeneuro.volume import BACKGROUND, FOREGROUND, IGNORE

SETTINGS = FilterSettings()


def probabilities(shape: tuple[int, ...] = (20, 24, 90)) -> Array:
    return np.full(shape, 0.02, np.float32)


def test_voxels_are_foreground_from_high_on_background_up_to_low_and_ignored_between() -> None:
    p = np.array([[0.0, 0.1, 0.11, 0.89, 0.9, 1.0]], np.float32)
    expected = [BACKGROUND, BACKGROUND, IGNORE, IGNORE, FOREGROUND, FOREGROUND]
    assert voxel_labels(p, SETTINGS).tolist() == [expected]


def test_a_weak_neurite_with_one_sure_voxel_is_kept_whole_and_one_without_is_not() -> None:
    p = probabilities()
    p[5, 5, :80] = 0.5
    p[12, 12, :80] = 0.89
    p[5, 5, 40] = 0.9
    labels = pseudo_labels(p, SETTINGS)
    assert (labels[5, 5, :80] == FOREGROUND).all() and (labels == FOREGROUND).sum() == 80
    assert (labels[12, 12, :80] == IGNORE).all()


def test_a_thin_diagonal_hangs_together_over_corners() -> None:
    p = probabilities((20, 20, 20))
    p[np.arange(20), np.arange(20), np.arange(20)] = 0.95
    assert neurites(p, FilterSettings(smallest=20)).sum() == 20


@pytest.mark.parametrize(("length", "kept"), [(63, False), (64, True)])
def test_components_below_the_smallest_are_dropped(length: int, kept: bool) -> None:
    p = probabilities()
    p[5, 5, :length] = 0.95
    assert neurites(p, SETTINGS).any() == kept
    assert (pseudo_labels(p, SETTINGS)[5, 5, :length] == (FOREGROUND if kept else IGNORE)).all()


def test_a_blob_is_dropped_unless_it_is_as_large_as_a_soma() -> None:
    grids = np.indices((30, 30, 60)) - np.array([15, 15, 15])[:, None, None, None]
    distance = np.sqrt((grids**2).sum(0))
    for radius, kept in ((4.0, False), (8.0, True)):
        p = np.where(distance <= radius, 0.95, 0.02)
        assert neurites(p, SETTINGS).any() == kept, radius


def test_the_form_of_a_bar_is_measured_in_voxels() -> None:
    mask = np.zeros((9, 9, 40), np.bool_)
    mask[4, 4, :30] = True
    thin = components(mask)
    assert (thin.radii.tolist(), thin.lengths.tolist()) == ([0.5], [30])
    assert thin.elongation.tolist() == [30.0]
    mask[3:6, 3:6, :30] = True
    thick = components(mask)
    assert thick.radii.tolist() == [1.5]
    assert thick.elongation[0] == pytest.approx(30 / 3, abs=1)  # the ends of a centre line are worn down


def test_a_tree_that_spreads_in_all_directions_counts_as_elongated() -> None:
    mask = np.zeros((41, 41, 41), np.bool_)
    mask[20, 20, :] = mask[20, :, 20] = mask[:, 20, 20] = True
    assert components(mask).elongation[0] > 50


def test_a_component_that_fills_the_block_has_a_finite_form() -> None:
    assert components(np.ones((5, 5, 5), np.bool_)).radii.tolist() == [2.5]


def test_an_image_is_filtered_like_a_volume() -> None:
    p = probabilities((40, 100))
    p[10, :80] = 0.95
    p[25:34, 10:19] = 0.95  # a square of 81 pixels
    labels = pseudo_labels(p, SETTINGS)
    assert (labels[10, :80] == FOREGROUND).all() and (labels[25:34, 10:19] == IGNORE).all()


def test_nothing_found_leaves_background_only() -> None:
    assert (pseudo_labels(probabilities((5, 6, 7)), SETTINGS) == BACKGROUND).all()
    assert len(components(np.zeros((5, 6), np.bool_)).radii) == 0
