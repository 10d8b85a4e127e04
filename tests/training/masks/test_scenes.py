import dataclasses

import numpy as np
import pytest

from edgeneuro.errors import DataError
from edgeneuro.training.masks.scenes import normalised_for, read_scenes
from edgeneuro.training.masks.work import tiled_preprocess
from tests.training.masks.lines import line_volumes, scene


def test_scenes_are_whole_volumes_scaled_by_their_own_percentiles() -> None:
    data, steps = line_volumes(2), []
    scenes = read_scenes(data, tiled_preprocess(32, 8), lambda: steps.append(1))
    assert len(scenes) == len(steps) == 2
    assert scenes[0].values.shape == scenes[0].label.shape == (10, 40, 48)
    assert (scenes[0].values.min(), scenes[0].values.max()) == (0, 65535)
    assert np.unique(scenes[0].label).tolist() == [0, 1, 255]


def test_a_mask_of_another_shape_or_with_other_labels_is_refused_by_name() -> None:
    data = line_volumes(1)
    small = dataclasses.replace(data, mask_reader=lambda sample: data.mask(sample)[:, 1:])
    with pytest.raises(DataError, match=r"0\.tif: has a mask of shape \(10, 39, 48\), expected \(10, 40, 48\)"):
        read_scenes(small, tiled_preprocess(32, 8))
    seven = dataclasses.replace(data, mask_reader=lambda sample: data.mask(sample) * 0 + 7)
    with pytest.raises(DataError, match=r"0\.tif: its mask holds 7, expected 0, 1 and 255"):
        read_scenes(seven, tiled_preprocess(32, 8))


def test_a_scene_smaller_than_a_tile_is_reflected_and_its_new_places_do_not_count() -> None:
    filled = scene(np.array([[0, 1, 0]], np.uint8)).filled((2, 5))
    assert filled.values.tolist() == [[0, 1, 2, 2, 1]] * 2
    assert filled.label.tolist() == [[0, 1, 0, 255, 255], [255] * 5]
    large = scene(np.zeros((2, 5), np.uint8))
    assert large.filled((2, 5)) is large


def test_grey_levels_are_measured_over_all_scenes() -> None:
    scenes = [scene(np.zeros((2, 3), np.uint8)), scene(np.zeros((4, 4), np.uint8))]
    values = np.concatenate([one.values.ravel() for one in scenes]) / 65535
    preprocess = normalised_for(tiled_preprocess(32, None), scenes)
    assert preprocess.mean == pytest.approx((values.mean(),))
    assert preprocess.std == pytest.approx((values.std(),))
    flat = dataclasses.replace(scenes[0], values=np.full((2, 3), 7, np.uint16))
    with pytest.raises(DataError, match="all pixels have the same value"):
        normalised_for(preprocess, [flat])
