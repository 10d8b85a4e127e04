"""Statistics of tensors: the same to the bit however frames are ordered and batched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeneuro.calibration.collect import collect_means, collect_statistics
from edgeneuro.calibration.methods import METHODS
from edgeneuro.calibration.observer import BINS, Extremes
from edgeneuro.errors import DataError, InputError, ShapeError
from edgeneuro.spec import Array, Feed, TensorSpec


def spec(name: str) -> TensorSpec:
    return TensorSpec(name=name, shape=(-1, 3, 5), axes=("batch", "channel", "place"), dtype="float32", unit="none")


class Doubler:
    """A backend that gives the input and twice the input."""

    inputs: tuple[TensorSpec, ...] = (spec("x"),)
    outputs: tuple[TensorSpec, ...] = (spec("x"), spec("double"))

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return {"x": feeds["x"], "double": 2 * feeds["x"]}

    def run_many(self, feeds: Iterable[Feed]) -> Iterator[dict[str, Array]]:
        return map(self.run, feeds)

    def close(self) -> None: ...


class Summer(Doubler):
    """A backend whose output has lost the batch."""

    outputs: tuple[TensorSpec, ...] = (spec("sum"),)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return {"sum": feeds["x"].sum()}


def frames(seed: int, count: int = 12) -> NDArray[np.float32]:
    """Of very different brightness, so that sums in another order round differently."""
    rng = np.random.default_rng(seed)
    loudness = 10.0 ** rng.uniform(-3, 3, (count, 1, 1))
    return (loudness * rng.standard_normal((count, 3, 5))).astype(np.float32)


def batches(pixels: NDArray[np.float32], sizes: Sequence[int]) -> list[Feed]:
    ends = np.cumsum(sizes)[:-1]
    return [{"x": batch} for batch in np.split(pixels, ends)]


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    order=st.permutations(range(12)),
    sizes=st.sampled_from([(12,), (1,) * 12, (5, 7), (4, 4, 4), (1, 2, 9)]),
)
def test_every_method_gives_the_same_range_for_permuted_and_rebatched_frames(
    seed: int, order: list[int], sizes: tuple[int, ...]
) -> None:
    pixels = frames(seed)
    plain = collect_statistics(Doubler(), batches(pixels, (1,) * 12))
    mixed = collect_statistics(Doubler(), batches(pixels[order], sizes))
    for tensor in ("x", "double"):
        for name, method in METHODS.items():
            assert method.limits(plain[tensor]) == method.limits(mixed[tensor]), name


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), order=st.permutations(range(12)), sizes=st.sampled_from([(12,), (5, 7)]))
def test_channel_means_are_the_same_for_permuted_and_rebatched_frames(
    seed: int, order: list[int], sizes: tuple[int, ...]
) -> None:
    pixels = frames(seed)
    plain = collect_means(Doubler(), batches(pixels, (1,) * 12))["x"]
    assert np.array_equal(plain, collect_means(Doubler(), batches(pixels[order], sizes))["x"])
    assert np.allclose(plain, pixels.astype(np.float64).mean(axis=(0, 2)))


def test_other_frames_give_other_ranges() -> None:
    one, other = (collect_statistics(Doubler(), batches(frames(seed), (12,)))["x"] for seed in (0, 1))
    for name, method in METHODS.items():
        assert method.limits(one) != method.limits(other), name


def test_every_value_is_counted_once_in_its_bin() -> None:
    extremes = Extremes("x")
    values = np.array([[0.0, 1.0, 2.0, 4096.0]], np.float32)
    extremes.add(values)
    counter = extremes.counter()
    counter.add(values)
    counts = counter.statistics().counts
    assert counts.sum() == 4
    assert np.flatnonzero(counts).tolist() == [0, 1, 2, BINS - 1]


def test_a_constant_tensor_has_a_range_of_its_value_by_every_method() -> None:
    feeds: list[Feed] = [{"x": np.full((1, 3, 5), 2.5, np.float32)}]
    seen = collect_statistics(Doubler(), feeds)["x"]
    for name, method in METHODS.items():
        assert method.limits(seen).low <= 2.5 <= method.limits(seen).high, name


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_by_name(bad: float) -> None:
    pixels = frames(0)
    pixels[3, 1, 2] = bad
    with pytest.raises(InputError, match="tensor 'x': holds NaN or infinity"):
        collect_statistics(Doubler(), batches(pixels, (12,)))


def test_no_frames_is_an_error_that_says_so() -> None:
    for collect in (collect_statistics, collect_means):
        with pytest.raises(DataError, match="got no frames, expected at least one"):
            collect(Doubler(), [])


def test_a_batch_whose_output_is_one_row_is_refused_and_one_frame_is_not() -> None:
    with pytest.raises(ShapeError, match="give frames one at a time"):
        collect_statistics(Summer(), batches(frames(0), (12,)))
    assert len(collect_statistics(Summer(), batches(frames(0), (1,) * 12))["sum"].lows) == 12
