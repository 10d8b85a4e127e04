"""What was missed and what is false, counted and drawn, on frames of a few pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgeneuro.benchmarks.measure.mistakes import (
    BOTH,
    FOUND,
    LABELLED,
    LARGEST_BYTES,
    LARGEST_FACTOR,
    SIDES_PX,
    Mistakes,
    pictures_of,
)
from edgeneuro.spec import Array
from edgeneuro.volume import IGNORE


def opened(png: bytes) -> Array:
    """(height, width, 3) RGB."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture[:, :, ::-1]


def pixels_of(picture: Array, colour: Array) -> set[tuple[int, int]]:
    """Pixels of the frame in whose middle the tint of `colour` lies on black."""
    middles = picture[LARGEST_FACTOR // 2 :: LARGEST_FACTOR, LARGEST_FACTOR // 2 :: LARGEST_FACTOR].astype(int)
    near = np.abs(middles - 0.6 * colour.astype(float)).max(axis=2) < 2
    return {(int(y), int(x)) for y, x in np.argwhere(near)}


def test_what_is_ignored_is_neither_missed_nor_false() -> None:
    truth = np.array([[1, 1, 0, 0, IGNORE, IGNORE]], np.uint8)
    mistakes = Mistakes.of(truth, np.array([[1, 0, 1, 0, 1, 0]], np.uint8))
    assert mistakes.missed.tolist() == [[False, True, False, False, False, False]]
    assert mistakes.false.tolist() == [[False, False, True, False, False, False]]
    assert (mistakes.missed_share, mistakes.false_share) == (0.5, 0.5)


def test_another_class_is_missed_and_false_at_once() -> None:
    mistakes = Mistakes.of(np.array([[1, 2, 0]], np.uint8), np.array([[2, 2, 0]], np.uint8))
    assert mistakes.missed.tolist() == mistakes.false.tolist() == [[True, False, False]]


def test_where_nothing_is_labelled_or_found_there_is_no_share() -> None:
    nothing, there = np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)
    assert Mistakes.of(nothing, there).missed_share is None
    assert Mistakes.of(there, nothing).false_share is None


def test_missed_false_and_confused_pixels_each_have_their_colour_and_right_ones_none() -> None:
    truth, found = np.zeros((12, 20), np.uint8), np.zeros((12, 20), np.uint8)
    truth[2:6, 2:10], found[2:6, 6:14] = 1, 1
    truth[9, 2:4], found[9, 2:4] = 1, 2
    plain, drawn = map(opened, pictures_of(np.zeros((12, 20), np.uint8), Mistakes.of(truth, found)))
    assert plain.shape == drawn.shape == (12 * LARGEST_FACTOR, 20 * LARGEST_FACTOR, 3)
    assert not plain.any()
    inner = {(y, x) for y in (3, 4) for x in range(20)}  # lines cover the rows at the edge
    assert {(y, x) for y, x in pixels_of(drawn, LABELLED) if (y, x) in inner} == {
        (y, x) for y, x in inner if 2 <= x < 6
    }
    false = {(y, x) for y, x in pixels_of(drawn, FOUND) if (y, x) in inner}
    assert false == {(y, x) for y, x in inner if 11 <= x < 13}  # between the outline of the label and its own
    assert not drawn[3 * LARGEST_FACTOR, 8 * LARGEST_FACTOR].any()
    for colour in (LABELLED, FOUND):
        assert (drawn == colour).all(axis=2).any()


def test_both_outlines_are_seen_where_label_and_result_agree() -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[3:7, 3:7] = 1
    _, drawn = map(opened, pictures_of(np.zeros((10, 10), np.uint8), Mistakes.of(mask, mask)))
    row = drawn[5 * LARGEST_FACTOR]
    edge = 3 * LARGEST_FACTOR
    assert row[edge - 1].tolist() == LABELLED.tolist()
    assert row[edge].tolist() == FOUND.tolist()


def test_a_volume_is_shown_by_its_largest_values_and_mistakes_behind_one_another_are_both() -> None:
    frame = np.zeros((3, 8, 8), np.uint16)
    frame[2, 0, 7] = 500
    truth, found = np.zeros((3, 8, 8), np.uint8), np.zeros((3, 8, 8), np.uint8)
    truth[0, 2:6, 2:6], found[2, 2:6, 2:6] = 1, 1
    plain, drawn = map(opened, pictures_of(frame, Mistakes.of(truth, found)))
    assert plain[0, -1].min() > 200 and not plain[-1, -1].any()
    assert {(3, 3), (3, 4), (4, 3), (4, 4)} <= pixels_of(drawn, BOTH)


@pytest.mark.parametrize("shape", [(1500, 2000), (700, 700, 3)])
def test_pictures_of_noise_are_bounded_in_size(shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    mask = np.zeros(shape[:2], np.uint8)
    mask[100:102, 100:600] = 1
    files = pictures_of(noise, Mistakes.of(mask, np.zeros_like(mask)))
    assert max(map(len, files)) <= LARGEST_BYTES
    sizes = {opened(file).shape for file in files}
    assert len(sizes) == 1 and max(sizes.pop()) <= SIDES_PX[0]


def test_a_thin_line_is_not_lost_where_a_large_frame_is_shrunk() -> None:
    truth = np.zeros((2000, 3000), np.uint8)
    truth[1000] = 1
    _, drawn = map(opened, pictures_of(np.zeros((2000, 3000), np.uint8), Mistakes.of(truth, np.zeros_like(truth))))
    assert (drawn.any(axis=2).sum(axis=0) > 0).all()
