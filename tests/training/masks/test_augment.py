import numpy as np
import pytest

from edgeneuro.training.masks.augment import CropAugmentation

PLAIN = CropAugmentation(gamma=(1.0, 1.0), chance=0.0)


@pytest.mark.parametrize("shape", [(6, 6), (3, 6, 6)])
def test_a_label_is_turned_and_mirrored_with_its_image_into_all_places(shape: tuple[int, ...]) -> None:
    values = np.zeros(shape, np.uint16)
    values[(*[0] * (len(shape) - 1), 1)] = 65535
    seen = set()
    for seed in range(100):
        turned, label = PLAIN(values, (values > 0).astype(np.uint8), np.random.default_rng(seed))
        assert ((turned > 0) == (label > 0)).all() and label.sum() == 1
        seen.add(int(np.argmax(label)))
    assert len(seen) == 2 ** (len(shape) - 2) * 8


def test_gamma_bends_grey_levels_and_keeps_both_ends() -> None:
    values = np.full((4, 4), 32768, np.uint16)
    values[0, 0], values[0, 1] = 0, 65535
    bent, _ = CropAugmentation(gamma=(2.0, 2.0), chance=0.0)(values, values.astype(np.uint8), np.random.default_rng(0))
    assert sorted(np.unique(bent).tolist()) == [0, 16384, 65535]


def test_noise_grows_with_brightness_and_a_gradient_does_not_move_the_mean() -> None:
    values = np.full((64, 64), 6554, np.uint16)
    noisy = CropAugmentation(gamma=(1.0, 1.0), blur=0.0, gradient=0.0, read_noise=0.0, chance=1.0)
    dark, _ = noisy(values, values.astype(np.uint8), np.random.default_rng(1))
    bright, _ = noisy(values * 4, values.astype(np.uint8), np.random.default_rng(1))
    assert bright.std() == pytest.approx(2 * dark.std(), rel=0.05)
    sloping = CropAugmentation(gamma=(1.0, 1.0), blur=0.0, shot_noise=0.0, read_noise=0.0, gradient=0.1, chance=1.0)
    sloped, _ = sloping(values, values.astype(np.uint8), np.random.default_rng(1))
    assert sloped.std() > 0 and sloped.mean() == pytest.approx(6554, abs=1)


def test_blur_spreads_a_point_and_leaves_the_label() -> None:
    values = np.zeros((9, 9), np.uint16)
    values[4, 4] = 65535
    blurring = CropAugmentation(gamma=(1.0, 1.0), shot_noise=0.0, read_noise=0.0, gradient=0.0, chance=1.0)
    blurred, label = blurring(values, (values > 0).astype(np.uint8), np.random.default_rng(0))
    assert blurred.max() < 65535 and blurred[4, 3] > 0
    assert np.flatnonzero(label).tolist() == [40]
