import dataclasses

import numpy as np

from edgeneuro.models import MODELS
from edgeneuro.training.augment import AUGMENTATIONS, Augmentation

STILL = Augmentation(rotation_deg=0.0, scale=0.0, brightness=0.0, contrast=0.0)


def gradient() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """40 x 60 px: grey grows to the right by 2 and downwards by 1."""
    return (np.arange(60)[None] * 2 + np.arange(40)[:, None]).astype(np.uint8)


def test_without_ranges_only_left_and_right_change_places_in_half_of_the_draws() -> None:
    pixels = gradient()
    draws = [STILL(pixels, np.random.default_rng(seed)) for seed in range(40)]
    kept = sum(np.array_equal(draw, pixels) for draw in draws)
    mirrored = sum(np.array_equal(draw, pixels[:, ::-1]) for draw in draws)
    assert kept + mirrored == 40 and 10 <= kept <= 30


def test_depth_always_points_down() -> None:
    pixels = gradient()
    for seed in range(40):
        draw = Augmentation()(pixels, np.random.default_rng(seed)).astype(float)
        assert draw[30:].mean() > draw[:10].mean()


def test_the_same_generator_state_gives_the_same_frame_and_another_state_another() -> None:
    pixels, augment = gradient(), Augmentation()
    one, again, other = (augment(pixels, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_the_frame_itself_is_left_alone_and_shape_and_type_are_kept() -> None:
    for pixels in (gradient(), np.repeat(gradient()[:, :, None], 3, axis=2)):
        before = pixels.copy()
        draw = Augmentation()(pixels, np.random.default_rng(0))
        assert np.array_equal(pixels, before)
        assert draw.shape == pixels.shape and draw.dtype == np.uint8


def test_brightness_stays_within_its_range() -> None:
    grey = np.full((40, 40), 100, np.uint8)
    levels = {int(Augmentation()(grey, np.random.default_rng(seed))[20, 20]) for seed in range(200)}
    assert 85 <= min(levels) < 90 and 110 < max(levels) <= 115


def test_a_cut_out_shows_a_part_of_the_frame_no_smaller_than_asked_for_anywhere_in_it() -> None:
    side = 200
    down, right = np.indices((side, side), np.uint8)
    cut = dataclasses.replace(STILL, crop=0.4)
    corners = []
    for seed in range(60):
        x, y = (cut(plane, np.random.default_rng(seed)).astype(float) for plane in (right, down))
        across, deep = np.ptp(x) / (side - 1), np.ptp(y) / (side - 1)
        assert 0.39 <= across * deep <= 1.0 and 0.74 <= across / deep <= 1.35
        corners.append((x.min(), y.min(), across * deep))
    least, most = np.min(corners, axis=0), np.max(corners, axis=0)
    assert least[:2].max() < 5 and most[:2].min() > 40 and least[2] < 0.5 and most[2] > 0.9


def test_the_outside_is_filled_from_the_frame_not_with_black() -> None:
    bright = np.full((40, 40), 200, np.uint8)
    augment = Augmentation(brightness=0.0, contrast=0.0)
    assert all(augment(bright, np.random.default_rng(seed)).min() == 200 for seed in range(20))


def test_a_photograph_is_turned_to_every_side_and_mirrored() -> None:
    """Where the bright corner of a dark frame goes, among four: all of them, and the grey to its left too."""
    corner = np.zeros((40, 40), np.uint8)
    corner[:10, :10], corner[:10, 10:20] = 250, 120
    augment = dataclasses.replace(AUGMENTATIONS["photograph"], erasing=0.0)
    seen = set()
    for seed in range(200):
        draw = augment(corner, np.random.default_rng(seed)).astype(float)
        (y, x), (v, u) = (np.argwhere(mask).mean(0) - 19.5 for mask in (draw > 185, (draw > 90) & (draw < 150)))
        seen.add((y > 0, x > 0, x * v - y * u > 0))  # the corner, and on which side of it the grey lies
    assert len(seen) == 8


def test_saturation_moves_colours_and_leaves_greys_and_brightness_alone() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2], pixels[2:] = (200, 120, 80), (90, 90, 90)
    augment = dataclasses.replace(STILL, saturation=0.5)
    draws = np.array([augment(pixels, np.random.default_rng(seed)) for seed in range(60)], float)
    spread = np.ptp(draws[:, 0, 0], axis=-1)
    assert spread.min() < 70 and spread.max() > 170  # 120 of the frame, half to one and a half times
    assert np.abs(draws[:, 3, 3] - 90).max() == 0
    luma = draws[:, 0, 0] @ (0.299, 0.587, 0.114)
    assert np.abs(luma - luma.mean()).max() < 1.0


def test_some_frames_lose_a_rectangle_of_2_to_20_percent_to_their_mean_colour() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (100, 80, 3)).astype(np.uint8)
    augment = dataclasses.replace(STILL, erasing=0.4)
    shares = []
    for seed in range(100):
        draw = augment(pixels, np.random.default_rng(seed))
        base = pixels if (draw == pixels).mean() > 0.5 else pixels[:, ::-1]
        gone = (draw != base).any(2)
        if gone.any():
            rows, columns = np.flatnonzero(gone.any(1)), np.flatnonzero(gone.any(0))
            block = draw[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert (block == np.rint(pixels.mean((0, 1)))).all()
            shares.append(block[..., 0].size / gone.size)
    assert 25 <= len(shares) <= 55
    assert 0.015 < min(shares) < 0.05 and 0.15 < max(shares) < 0.21


def test_only_the_skin_model_s_frames_have_no_side_that_is_up() -> None:
    assert {name for name, entry in MODELS.items() if entry.augmentation == "photograph"} == {"skin"}
    assert AUGMENTATIONS["ultrasound"] == Augmentation()
