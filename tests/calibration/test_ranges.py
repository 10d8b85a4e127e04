"""Scales, zero points, collected ranges and the choice of frames, on numbers checked by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest

from edgeneuro.calibration.choose import choose_samples
from edgeneuro.calibration.collect import min_max_ranges
from edgeneuro.calibration.ranges import Range, quantize_weights, unsigned_parameters, weight_scales
from edgeneuro.data import Sample
from edgeneuro.errors import DataError
from edgeneuro.spec import Array, TensorSpec


def test_unsigned_parameters_put_zero_on_a_step() -> None:
    scale, zero_point = unsigned_parameters(Range(-1.0, 1.55))
    assert float(scale) == pytest.approx(0.01)
    assert int(zero_point) == 100


def test_a_positive_range_starts_at_zero() -> None:
    scale, zero_point = unsigned_parameters(Range(3.0, 5.1))
    assert float(scale) == pytest.approx(0.02)
    assert int(zero_point) == 0


def test_a_tensor_that_was_always_zero_gets_a_usable_scale() -> None:
    assert [float(value) for value in unsigned_parameters(Range(0.0, 0.0))] == [1.0, 0.0]


def test_weights_are_scaled_by_output_channel() -> None:
    weights = np.array([[1.27, -0.635], [0.0, 0.0]], np.float32)
    scales = weight_scales(weights, 127)
    assert scales.tolist() == pytest.approx([0.01, 1.0])
    assert quantize_weights(weights, scales, 127).tolist() in ([[127, -64], [0, 0]], [[127, -63], [0, 0]])


def test_weights_never_reach_minus_128() -> None:
    weights = np.array([[-1.0, 0.5]], np.float32)
    assert quantize_weights(weights, weight_scales(weights, 127), 127).min() == -127


class _Doubler:
    """A backend that gives the input and twice the input."""

    inputs: tuple[TensorSpec, ...] = (
        TensorSpec(name="x", shape=(-1, 2), axes=("batch", "value"), dtype="float32", unit="none"),
    )
    outputs = inputs

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return {"x": feeds["x"], "double": 2 * feeds["x"]}

    def close(self) -> None: ...


def test_collected_ranges_do_not_depend_on_batch_size_or_order() -> None:
    frames = np.random.default_rng(0).standard_normal((12, 2)).astype(np.float32)
    one_by_one = min_max_ranges(_Doubler(), ({"x": frame[None]} for frame in frames))
    in_fours = min_max_ranges(_Doubler(), [{"x": batch} for batch in np.split(frames[::-1], 3)])
    assert one_by_one == in_fours
    assert one_by_one["double"] == Range(2 * float(frames.min()), 2 * float(frames.max()))


def samples(layout: Mapping[str, tuple[int, int]]) -> list[Sample]:
    """group -> (class, frames)."""
    return [
        Sample(source=f"{group}/{i}", index=0, target=target, group=group)
        for group, (target, frames) in layout.items()
        for i in range(frames)
    ]


def test_chosen_frames_cover_classes_and_groups_before_repeating_any() -> None:
    crowd = samples({"long video": (0, 50), "short": (0, 2), "other class": (1, 3)})
    chosen = choose_samples(crowd, 6, np.random.default_rng(0))
    assert Counter(sample.target for sample in chosen) == {0: 3, 1: 3}
    assert Counter(sample.group for sample in chosen)["short"] >= 1


def test_a_small_set_is_taken_whole_and_only_once() -> None:
    few = samples({"a": (0, 2), "b": (1, 5)})
    chosen = choose_samples(few, 100, np.random.default_rng(0))
    assert sorted(sample.source for sample in chosen) == sorted(sample.source for sample in few)


def test_the_same_seed_chooses_the_same_frames_and_another_does_not() -> None:
    many = samples({f"g{i}": (i % 2, 9) for i in range(10)})
    first, again, other = (choose_samples(many, 10, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_no_frames_is_an_error_that_says_so() -> None:
    with pytest.raises(DataError, match="got no frames, expected at least one"):
        choose_samples([], 10, np.random.default_rng(0))
