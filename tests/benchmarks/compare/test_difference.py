"""Known answers, and numpy over everything at once, for what is added up frame by frame."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeneuro.benchmarks.compare.difference import Running, cosine
from edgeneuro.spec import Array


def test_the_cosine_of_vectors_known_by_hand() -> None:
    e, diagonal = np.array([1.0, 0.0]), np.array([1.0, 1.0])
    assert cosine(e, 3 * e) == 1.0
    assert cosine(e, -e) == -1.0
    assert cosine(e, np.array([0.0, 5.0])) == 0.0
    assert cosine(e, diagonal) == pytest.approx(math.sqrt(0.5))


def test_nothing_resembles_nothing_and_nothing_else() -> None:
    zero, one = np.zeros(2), np.array([1.0, 0.0])
    assert cosine(zero, zero) == 1.0
    assert cosine(zero, one) == cosine(one, zero) == 0.0


def test_differences_of_two_frames_known_by_hand() -> None:
    running = Running("y")
    running.add(np.array([[3.0, 4.0]], np.float32), np.array([[3.0, 4.0]], np.float32))
    running.add(np.array([[0.0, -8.0]], np.float32), np.array([[6.0, -8.0]], np.float32))
    found = running.result()
    assert (found.output, found.dtype) == ("y", "float32")
    assert [found.cosine_min, found.cosine_mean] == pytest.approx([0.8, 0.9])
    assert (found.max, found.mean) == (6.0, 1.5)
    assert (found.magnitude, found.relative_max, found.relative_mean) == (8.0, 0.75, 1.5 / 8)


def test_a_reference_of_zeros_leaves_differences_as_they_are() -> None:
    running = Running("y")
    running.add(np.zeros((1, 2), np.float32), np.array([[0.5, 0.0]], np.float32))
    found = running.result()
    assert (found.magnitude, found.relative_max, found.cosine_mean) == (0.0, 0.5, 0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
def test_frame_by_frame_is_the_same_as_all_at_once(dtype: type) -> None:
    rng = np.random.default_rng(0)
    a: Array = (50 * rng.standard_normal((40, 2, 5, 6))).astype(dtype)
    b: Array = a + (3 * rng.standard_normal(a.shape)).astype(dtype)
    running = Running("y")
    for expected, got in zip(a, b, strict=True):
        running.add(expected, got)
    found = running.result()
    x, y = a.astype(np.float64).reshape(40, -1), b.astype(np.float64).reshape(40, -1)
    cosines = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    assert found.cosine_min == pytest.approx(cosines.min(), rel=1e-12)
    assert found.cosine_mean == pytest.approx(cosines.mean(), rel=1e-12)
    assert found.max == np.abs(x - y).max()
    assert found.mean == pytest.approx(np.abs(x - y).mean(), rel=1e-12)
    assert found.relative_max == np.abs(x - y).max() / np.abs(x).max()
