"""The choice of frames: groups and classes, brightness and contrast, settings, near-black and near-identical frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from edgeneuro.calibration.choose import LOOKED_AT, choose_samples
from edgeneuro.calibration.look import look_at
from edgeneuro.data import Sample, open_data
from edgeneuro.errors import DataError
from edgeneuro.spec import Frame
from tests.conftest import RealData


def samples(layout: Mapping[str, tuple[int | None, int]], tags: Mapping[str, str] | None = None) -> list[Sample]:
    """group -> (class, frames)."""
    return [
        Sample(source=f"{group}/{i}", index=0, target=target, group=group, tags=tags or {})
        for group, (target, frames) in layout.items()
        for i in range(frames)
    ]


def noise(sample: Sample, level: float = 100.0, spread: float = 30.0) -> Frame:
    """Another texture for every sample, 64 x 64 px, coarse enough to survive a thumbnail."""
    rng = np.random.default_rng(list(sample.source.encode()))
    coarse = np.kron(rng.standard_normal((16, 16)), np.ones((4, 4)))
    pixels: Frame = np.clip(level + spread * coarse, 0, 255).astype(np.uint8)
    return pixels


def choose(
    some: list[Sample], count: int, read: Callable[[Sample], Frame] | None = None, seed: int = 0
) -> tuple[Sample, ...]:
    return choose_samples(some, count, np.random.default_rng(seed), read)


@pytest.mark.parametrize("read", [None, noise], ids=["no pixels", "pixels"])
def test_chosen_frames_cover_classes_and_groups_before_repeating_any(read: Callable[[Sample], Frame] | None) -> None:
    crowd = samples({"long video": (0, 50), "short": (0, 2), "other class": (1, 3)})
    chosen = choose(crowd, 6, read)
    assert Counter(sample.target for sample in chosen) == {0: 3, 1: 3}
    assert Counter(sample.group for sample in chosen)["short"] >= 1


@pytest.mark.parametrize("read", [None, noise], ids=["no pixels", "pixels"])
def test_a_small_set_is_taken_whole_and_only_once(read: Callable[[Sample], Frame] | None) -> None:
    few = samples({"a": (0, 2), "b": (1, 5), "c": (None, 1)})
    assert sorted(sample.source for sample in choose(few, 100, read)) == sorted(sample.source for sample in few)


def test_the_same_seed_chooses_the_same_frames_and_another_does_not() -> None:
    many = samples({f"g{i}": (i % 2, 9) for i in range(10)})
    assert choose(many, 10, noise, seed=3) == choose(many, 10, noise, seed=3)
    assert choose(many, 10, noise, seed=3) != choose(many, 10, noise, seed=4)


def test_the_order_of_the_table_does_not_matter() -> None:
    many = samples({f"g{i}": (i % 2, 9) for i in range(10)})
    assert choose(many, 10, noise) == choose(many[::-1], 10, noise)


def test_no_frames_is_an_error_that_says_so() -> None:
    with pytest.raises(DataError, match="got no frames, expected at least one"):
        choose([], 10)


def test_dim_and_bright_frames_of_one_group_are_both_taken() -> None:
    video = samples({"video": (0, 100)})

    def mostly_dim(sample: Sample) -> Frame:
        return noise(sample, level=200.0 if sample.source.endswith("7") else 60.0)

    levels = [look_at(mostly_dim(sample)).brightness for sample in choose(video, 12, mostly_dim)]
    assert sum(level > 150 for level in levels) >= 3  # ten of a hundred are bright: by chance it would be one


def test_flat_and_rich_frames_of_one_brightness_are_both_taken() -> None:
    video = samples({"video": (0, 100)})

    def mostly_flat(sample: Sample) -> Frame:
        return noise(sample, spread=40.0 if sample.source.endswith("7") else 5.0)

    spreads = [look_at(mostly_flat(sample)).spread for sample in choose(video, 12, mostly_flat)]
    assert sum(spread > 20 for spread in spreads) >= 3


@pytest.mark.parametrize("column", ["depth_mm", "gain", "Probe"])
def test_every_recording_setting_in_the_table_is_covered(column: str) -> None:
    common = samples({"common": (0, 95)}, {column: "90"})
    rare = samples({"common/b": (0, 5)}, {column: "40"})
    one_group = [Sample(source=s.source, index=0, target=0, group="one", tags=s.tags) for s in (*common, *rare)]
    assert Counter(sample.tags[column] for sample in choose(one_group, 8))["40"] >= 1


def test_other_columns_of_the_table_do_not_matter() -> None:
    plain = samples({"a": (0, 40)})
    tagged = samples({"a": (0, 40)}, {"license": "CC0"})
    assert [s.source for s in choose(plain, 8)] == [s.source for s in choose(tagged, 8)]


def near_black_tenth(sample: Sample) -> Frame:
    return noise(sample, level=3.0, spread=3.0) if sample.source.endswith("0") else noise(sample)


def test_near_black_frames_are_represented_and_not_dominant() -> None:
    video = samples({f"g{i}": (0, 40) for i in range(5)})
    for count in (4, 40):
        dark = [look_at(near_black_tenth(sample)).near_black for sample in choose(video, count, near_black_tenth)]
        assert len(dark) == count
        assert 1 <= sum(dark) <= max(1, 0.05 * count)


def test_a_set_of_near_black_frames_alone_is_still_used() -> None:
    video = samples({"dark": (0, 20)})
    assert len(choose(video, 8, lambda sample: noise(sample, level=4.0, spread=3.0))) == 8


def test_neighbours_that_differ_by_noise_alone_are_one_frame() -> None:
    video = samples({"cine": (0, 30), "other": (0, 2)})

    def frozen(sample: Sample) -> Frame:
        if sample.group == "other":
            return noise(sample)
        still = noise(samples({"cine": (0, 1)})[0]).astype(int)
        flicker = np.random.default_rng(list(sample.source.encode())).integers(-3, 4, still.shape)
        pixels: Frame = np.clip(still + flicker, 0, 255).astype(np.uint8)
        return pixels

    assert Counter(sample.group for sample in choose(video, 10, frozen)) == {"cine": 1, "other": 2}


def test_the_same_picture_in_two_groups_is_kept_twice() -> None:
    same = noise(samples({"a": (0, 1)})[0])
    pair = samples({"a": (0, 1), "b": (0, 1)})
    assert len(choose(pair, 10, lambda sample: same)) == 2


def test_each_frame_is_read_once_and_a_large_set_not_whole() -> None:
    many = samples({f"g{i}": (0, 50) for i in range(20)})
    read: Counter[str] = Counter()

    def counting(sample: Sample) -> Frame:
        read[sample.source] += 1
        return noise(sample)

    choose(many, 10, counting)
    assert max(read.values()) == 1
    assert len(read) == 10 * LOOKED_AT


def test_frames_of_any_depth_and_colour_are_looked_at_alike() -> None:
    grey = noise(samples({"a": (0, 1)})[0])
    colour = np.repeat(grey[..., None], 3, axis=2)
    deep = grey.astype(np.uint16) * 257
    for other in (colour, deep):
        assert look_at(other).brightness == pytest.approx(look_at(grey).brightness, abs=1)
        assert look_at(grey).nearly_same(look_at(other))


def test_real_videos_lose_a_few_neighbours_and_keep_every_patient(real_data: RealData) -> None:
    lung = open_data(str(real_data("us_lung_pocus")))
    chosen = choose_samples(lung.samples, 2000, np.random.default_rng(0), lung.read)
    assert {sample.group for sample in chosen} == {sample.group for sample in lung.samples}
    assert 0.7 * len(lung) < len(chosen) < len(lung)
