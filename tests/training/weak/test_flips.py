import numpy as np
import pytest

from edgeneuro.spec import Array
from edgeneuro.training.weak.flips import flip_mean


@pytest.mark.parametrize("shape", [(2, 1, 4, 6), (1, 1, 3, 4, 6)])
def test_what_does_not_depend_on_direction_stays_as_it_is(shape: tuple[int, ...]) -> None:
    batch = np.random.default_rng(0).random(shape).astype(np.float32)
    assert flip_mean(lambda x: x, batch) == pytest.approx(batch)


def test_a_bias_towards_one_corner_is_shared_by_all_four_and_depth_is_not_flipped() -> None:
    def corner(batch: Array) -> Array:
        answer = np.zeros_like(batch)
        answer[:, :, 0, 0, 0] = 1.0
        return answer

    mean = flip_mean(corner, np.zeros((1, 1, 2, 3, 3), np.float32))
    assert mean[0, 0, 0].tolist() == [[0.25, 0.0, 0.25], [0.0, 0.0, 0.0], [0.25, 0.0, 0.25]]
    assert not mean[0, 0, 1].any()
