import numpy as np
import pytest

from edgeneuro.errors import DataError
from edgeneuro.training.label_noise import with_label_noise

TARGETS = np.arange(200, dtype=np.int64) % 4


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_exactly_this_share_gets_another_class(share: float) -> None:
    noisy = with_label_noise(TARGETS, share, 4, seed=0)
    assert (noisy != TARGETS).sum() == round(share * 200)
    assert noisy.min() >= 0 and noisy.max() < 4


def test_every_other_class_comes_up() -> None:
    noisy = with_label_noise(np.zeros(300, np.int64), 0.5, 4, seed=0)
    assert set(noisy.tolist()) == {0, 1, 2, 3}


def test_the_seed_alone_decides_and_the_labels_given_stay_as_they_are() -> None:
    before = TARGETS.copy()
    one, again, other = (with_label_noise(TARGETS, 0.2, 4, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other) and np.array_equal(before, TARGETS)


def test_without_noise_nothing_changes() -> None:
    assert with_label_noise(TARGETS, 0.0, 4, seed=0) is TARGETS


def test_one_class_has_no_other_label() -> None:
    with pytest.raises(DataError, match="got one class, expected at least two"):
        with_label_noise(np.zeros(10, np.int64), 0.1, 1, seed=0)
