"""Percentiles counted part by part: to the last bit those of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from edgeneuro.runtime.segment.levels import Counts, count_digits, exact_levels
from edgeneuro.runtime.segment.source import part_size
from edgeneuro.spec import Array
from edgeneuro.tiled import percentile_levels

KINDS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


def values_of(kind: str, count: int = 3001) -> Array:
    generator = np.random.default_rng(0)
    if kind[0] == "f":
        return (generator.normal(size=count) ** 3).astype(kind)
    info = np.iinfo(kind)
    low, high = max(info.min, -(2**40)), min(info.max, 2**40)
    return (low + (high - low) * generator.random(count) ** 3).astype(kind)


def by_parts(values: Array, low: float, high: float) -> tuple[tuple[float, float], list[int]]:
    """The levels, and how many beginnings each pass asked for."""
    asked = []

    def count(turn: int, beginnings: tuple[int, ...]) -> Counts:
        asked.append(len(beginnings))
        counted: Counts = np.sum([count_digits(part, turn, beginnings) for part in np.array_split(values, 7)], axis=0)
        return counted

    return exact_levels(count, values.dtype, values.size, low, high), asked


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("low", "high"), [(0.1, 99.9), (0.0, 100.0), (49.9, 50.1)])
def test_they_are_those_of_the_whole_in_every_type(kind: str, low: float, high: float) -> None:
    values = values_of(kind)
    found, asked = by_parts(values, low, high)
    assert found == percentile_levels(values, low, high)
    assert len(asked) == {1: 1, 2: 1, 4: 2, 8: 4}[values.dtype.itemsize]
    assert asked[0] == 1 and max(asked) <= 4


@pytest.mark.parametrize(
    "values", [np.zeros(5, np.float32), np.array([7], np.uint16), np.array([-0.0, 0.0, 1e-30, -3e38], "f4")]
)
def test_they_hold_where_values_are_few_or_equal(values: Array) -> None:
    assert by_parts(values, 0.1, 99.9)[0] == percentile_levels(values, 0.1, 99.9)


def test_parts_are_whole_chunks_and_no_larger_than_asked_for() -> None:
    assert part_size((100, 100, 100), (10, 20, 30), 6_000 * 4) == (10, 20, 100)
    assert part_size((100, 100, 100), (10, 20, 30), 10**7) == (100, 100, 100)
    assert part_size((100, 100, 100), (10, 20, 30), 1) == (10, 20, 30)  # one chunk, at least
    assert part_size((4, 1000, 1000), (1, 1, 1), 5_000) == (1, 5, 1000)
