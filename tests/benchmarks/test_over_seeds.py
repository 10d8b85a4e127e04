import numpy as np
import pytest

from edgeneuro.benchmarks.over_seeds import difference_over_seeds, mean_over_seeds

RNG = np.random.default_rng(3)
TARGETS = RNG.integers(0, 3, 240)
GROUPS = [f"lesion {number // 4}" for number in range(240)]


def right(share: float, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Predictions of which about this share are right."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(240) < share, TARGETS, (TARGETS + 1) % 3)


def test_the_value_is_the_mean_of_the_runs_and_lies_within_its_interval() -> None:
    runs = [right(0.6, 1), right(0.8, 2)]
    found = mean_over_seeds("accuracy", TARGETS, runs, GROUPS, 3, seed=0)
    assert found.value == pytest.approx(np.mean([run == TARGETS for run in runs]))
    assert found.low < found.value < found.high


def test_runs_that_differ_make_the_interval_wider_than_groups_alone() -> None:
    alike = mean_over_seeds("accuracy", TARGETS, [right(0.7, 1), right(0.7, 2)], GROUPS, 3, seed=0)
    apart = mean_over_seeds("accuracy", TARGETS, [right(0.4, 1), right(1.0, 2)], GROUPS, 3, seed=0)
    assert apart.high - apart.low > 2 * (alike.high - alike.low)


def test_frames_of_one_group_are_drawn_together() -> None:
    """All frames in two groups: a resample may hold one of them alone, so nothing is known."""
    runs = [np.where(np.arange(240) < 120, TARGETS, (TARGETS + 1) % 3)]
    halves = ["a"] * 120 + ["b"] * 120
    found = mean_over_seeds("accuracy", TARGETS, runs, halves, 3, seed=0)
    assert (found.low, found.value, found.high) == (0.0, 0.5, 1.0)


def test_a_method_differs_from_itself_by_nothing_and_from_a_better_one_by_what_it_lacks() -> None:
    same = difference_over_seeds("accuracy", TARGETS, [right(0.7, 1)], [right(0.7, 1)], GROUPS, 3, seed=0)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    worse = difference_over_seeds("accuracy", TARGETS, [right(0.5, 1)], [right(0.9, 2)], GROUPS, 3, seed=0)
    assert worse.high < -20 and worse.value == pytest.approx(-40, abs=10)
