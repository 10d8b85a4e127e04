from itertools import pairwise

import numpy as np
import pytest

from edgeneuro.errors import DataError
from edgeneuro.training.learner import class_weights, learning_rate_share


def test_rare_classes_weigh_more_so_that_each_class_weighs_the_same_in_sum() -> None:
    weights = class_weights(np.array([0, 0, 0, 1]), ("common", "rare"))
    assert weights.tolist() == pytest.approx([4 / (2 * 3), 4 / (2 * 1)])


def test_a_class_without_training_frames_is_named() -> None:
    with pytest.raises(DataError, match="class 'absent': has no training frame"):
        class_weights(np.array([0, 0, 2]), ("a", "absent", "c"))


def test_the_learning_rate_climbs_for_five_epochs_and_falls_to_almost_nothing() -> None:
    shares = [learning_rate_share(epoch, 120) for epoch in range(120)]
    assert shares[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert all(later < earlier for earlier, later in pairwise(shares[5:]))
    assert 0 < shares[-1] < 0.001


@pytest.mark.parametrize("epochs", [1, 2, 4, 19])
def test_short_runs_have_a_shorter_warm_up_and_reach_the_top(epochs: int) -> None:
    assert max(learning_rate_share(epoch, epochs) for epoch in range(epochs)) == 1.0
