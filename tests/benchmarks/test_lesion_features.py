import numpy as np
import pytest

from edgeneuro.benchmarks.lesion_features import colour_texture
from edgeneuro.data import open_data


def test_a_frame_of_one_colour_has_that_colour_everywhere_and_no_texture() -> None:
    values = colour_texture(np.full((90, 120, 3), (200, 30, 30), np.uint8))
    assert values.shape == (58,) and values.dtype == np.float32
    middle, around = values[:15].reshape(5, 3), values[15:30].reshape(5, 3)
    assert (middle == middle[0]).all() and (around == middle[0]).all()
    assert max(values[30:40]) == pytest.approx(1.0) and (values[30:40] > 0).sum() == 1


def test_a_lesion_in_the_middle_is_told_from_the_skin_around_it() -> None:
    frame = np.full((128, 128, 3), 220, np.uint8)
    frame[44:84, 44:84] = 40
    values = colour_texture(frame)
    assert values[0] < 60 and values[15] > 200  # darkest 5 % of L* inside and outside


def test_turning_a_frame_upside_down_changes_no_feature() -> None:
    phantom = open_data("phantom-lesions")
    frame = phantom.read(phantom.samples[5])
    assert np.allclose(colour_texture(frame), colour_texture(frame[::-1, ::-1]), rtol=0.02, atol=0.02)
