"""Range methods on tensors whose best range is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from edgeneuro.calibration.methods import METHODS, entropy, mean_min_max, mean_squared_error, min_max, percentile
from edgeneuro.calibration.observer import Extremes, Statistics
from edgeneuro.calibration.ranges import Range, unsigned_parameters
from edgeneuro.spec import Array


def seen(*frames: ArrayLike) -> Statistics:
    """Statistics of frames of any size each."""
    extremes = Extremes("x")
    for frame in frames:
        extremes.add(np.asarray(frame, np.float32)[None])
    counter = extremes.counter()
    for frame in frames:
        counter.add(np.asarray(frame, np.float32))
    return counter.statistics()


def quantising_error(values: Array, limits: Range) -> float:
    scale, zero_point = unsigned_parameters(limits)
    steps = np.clip(np.rint(values / float(scale)) + int(zero_point), 0, 255)
    return float(np.mean(((steps - int(zero_point)) * float(scale) - values) ** 2))


def gaussian(seed: int = 0, count: int = 100_000) -> Array:
    return np.random.default_rng(seed).standard_normal(count)


def test_min_max_holds_every_value() -> None:
    assert min_max(seen([-1, 2], [-3, 1])) == Range(-3.0, 2.0)


def test_mean_min_max_averages_the_extremes_of_frames() -> None:
    assert mean_min_max(seen([-1, 2], [-3, 1])) == Range(-2.0, 1.5)


def test_percentile_leaves_out_the_one_outlier_that_min_max_keeps() -> None:
    values = np.append(np.linspace(0, 1, 99_999), 100.0)
    assert min_max(seen(values)).high == 100.0
    kept = percentile(seen(values), keep=99.9)
    assert kept.low == 0.0
    assert 1.0 <= kept.high <= 1.0 + 100 / 4096  # to the next edge of the histogram


def test_percentile_cuts_both_ends_alike() -> None:
    kept = percentile(seen(np.linspace(-1, 1, 100_001)), keep=90.0)
    assert kept.low == pytest.approx(-0.9, abs=1e-3)
    assert kept.high == pytest.approx(0.9, abs=1e-3)


def test_percentile_of_everything_is_min_max() -> None:
    statistics = seen(gaussian())
    assert percentile(statistics, keep=100.0) == min_max(statistics)


def test_mean_squared_error_finds_the_clipping_that_a_full_search_finds() -> None:
    values = np.abs(gaussian()) ** 3  # a long tail
    found = mean_squared_error(seen(values))
    ends = values.max() * np.linspace(0.05, 1.0, 400)
    best = min(quantising_error(values, Range(0.0, float(end))) for end in ends)
    assert found.low == pytest.approx(0.0, abs=1e-6)
    assert found.high < values.max()
    assert quantising_error(values, found) <= 1.02 * best  # bins are a sixteenth of a step


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999), skew=st.floats(-2, 2), power=st.sampled_from([1, 2, 3]))
def test_mean_squared_error_is_never_worse_than_min_max(seed: int, skew: float, power: int) -> None:
    values = (gaussian(seed, 2000) + skew) ** power
    statistics = seen(values)
    error, widest = (quantising_error(values, limits(statistics)) for limits in (mean_squared_error, min_max))
    assert error <= 1.05 * widest


def test_mean_squared_error_clips_each_end_by_its_own_tail() -> None:
    values = np.append(np.linspace(-1, 1, 100_000), 2.0)
    found = mean_squared_error(seen(values))
    assert found.low == pytest.approx(-1.0, abs=0.02)
    assert 1.2 < found.high < 1.9


def test_entropy_leaves_out_a_few_outliers_and_keeps_an_even_spread() -> None:
    even = np.linspace(0, 1, 100_000)
    assert entropy(seen(even)).high == pytest.approx(1.0, abs=0.02)
    assert entropy(seen(np.append(even, 10.0))).high < 5.0


def test_entropy_does_not_move_the_end_that_is_nearer_to_zero() -> None:
    values = np.append(np.linspace(-0.1, 1, 100_000), 10.0)
    assert entropy(seen(values)).low == pytest.approx(-0.1)


def test_entropy_does_not_care_how_many_zeros_a_relu_leaves() -> None:
    values = np.abs(gaussian())
    few, many = seen(values), seen(values, np.zeros(1_000_000))
    assert entropy(few).high == entropy(many).high


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("values", [[3.0, 4.0, 5.0], [-5.0, -4.0, -3.0], [0.0, 0.0], [1e-30, 2e-30], [-1e30, 1e30]])
def test_every_method_gives_a_usable_range_for_odd_tensors(name: str, values: list[float]) -> None:
    limits = METHODS[name].limits(seen(values))
    assert np.isfinite([limits.low, limits.high]).all()
    assert limits.low <= limits.high
    scale, _ = unsigned_parameters(limits)
    assert np.isfinite(scale) and scale > 0


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 999))
def test_no_method_goes_beyond_what_was_seen(seed: int) -> None:
    statistics = seen(gaussian(seed, 500))
    for name, method in METHODS.items():
        limits = method.limits(statistics)
        assert statistics.low - 1e-6 <= limits.low <= limits.high <= statistics.high + 1e-6, name


def test_what_lies_outside_a_range_is_counted() -> None:
    statistics = seen(np.linspace(-1, 1, 10_001))
    assert statistics.outside(-1.0, 1.0) == 0
    assert statistics.outside(-0.5, 1.0) == pytest.approx(2500, abs=5)
