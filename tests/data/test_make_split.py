"""Splits: nobody stands on both sides, every class is everywhere, the same seed gives the same split."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeneuro.data import open_data
from edgeneuro.data.make_split import Protocol, draw_validation, make_split
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.data.split import Part, Split
from edgeneuro.errors import DataError
from tests.conftest import RealData
from tests.data.folders import in_memory

PARTS: tuple[Part, ...] = ("training", "validation", "test")


def groups_in(data: DataSet, split: Split) -> dict[str, set[str]]:
    return {part: {s.group for s in split.part(data.samples, part)} for part in PARTS}


def classes_in(data: DataSet, split: Split, part: Part) -> set[int | None]:
    return {s.target for s in split.part(data.samples, part)}


def ten_patients_a_class() -> DataSet:
    return in_memory([(f"{label}{i}", label, 1 + i % 4) for label in ("dm", "ibm", "normal") for i in range(10)])


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.lists(st.integers(1, 6), min_size=3, max_size=12), min_size=2, max_size=4),
    seed=st.integers(0, 2**31),
    fold=st.integers(0, 2),
)
def test_every_frame_has_one_home_no_group_two_and_every_class_is_everywhere(
    sizes: list[list[int]], seed: int, fold: int
) -> None:
    data = in_memory([(f"c{c}g{g}", f"c{c}", n) for c, groups in enumerate(sizes) for g, n in enumerate(groups)])
    split = make_split(data, fold=fold, seed=seed)
    groups = groups_in(data, split)
    assert sum(len(split.part(data.samples, part)) for part in PARTS) == len(data)
    assert sum(map(len, groups.values())) == len(set.union(*groups.values()))
    for part in PARTS:
        assert classes_in(data, split, part) == set(range(len(data.classes)))


def test_the_folds_of_our_own_cover_the_data_once() -> None:
    data = ten_patients_a_class()
    tests = [groups_in(data, make_split(data, fold=fold, seed=3))["test"] for fold in range(5)]
    assert sum(map(len, tests)) == 30
    assert len(set.union(*tests)) == 30
    assert {len(test) for test in tests} == {6}


def test_the_folds_of_our_own_hold_about_as_many_frames_each() -> None:
    data = in_memory([(f"{label}{i}", label, 1 + 3 * i) for label in ("a", "b") for i in range(15)])
    frames = [len(make_split(data, fold=fold).part(data.samples, "test")) for fold in range(5)]
    assert max(frames) - min(frames) <= 0.1 * len(data) / 5


def test_the_same_arguments_give_the_same_split_and_another_seed_another() -> None:
    data = ten_patients_a_class()
    assert make_split(data, seed=1) == make_split(data, seed=1)
    first, second = make_split(data, seed=1), make_split(data, seed=2)
    assert first.salt != second.salt
    assert groups_in(data, first) != groups_in(data, second)


def test_the_fold_column_decides_the_test_part() -> None:
    rows = [(f"{label}{i}", label, 2) for label in ("a", "b") for i in range(8)]
    data = in_memory(rows, folds=[i % 4 for _ in "ab" for i in range(8)])
    split = make_split(data, fold=2, seed=9)
    assert groups_in(data, split)["test"] == {"a2", "a6", "b2", "b6"}
    assert len(groups_in(data, split)["validation"]) == 2


def test_validation_holds_15_to_20_percent_of_the_other_groups() -> None:
    data = in_memory([(f"{label}{i}", label, 1) for label in ("a", "b") for i in range(50)])
    assert 12 <= len(groups_in(data, make_split(data))["validation"]) <= 16


def test_groups_of_two_classes_leave_every_class_in_training() -> None:
    rows = [(f"g{i}", label, 1) for i in range(4) for label in ("a", "b")] + [(f"h{i}", "b", 1) for i in range(4)]
    data = in_memory(rows)
    split = make_split(data)
    groups = groups_in(data, split)
    assert not groups["training"] & groups["validation"] and not groups["training"] & groups["test"]
    assert classes_in(data, split, "training") == {0, 1} == classes_in(data, split, "validation")


def test_validation_never_takes_the_last_training_group_of_a_class() -> None:
    counts = {"both": np.array([1, 1]), "only_a": np.array([1, 0]), "only_b": np.array([0, 1])}
    drawn = [draw_validation(counts, np.random.default_rng(seed)) for seed in range(50)]
    assert all(validation in ({"both"}, {"only_a", "only_b"}) for validation in drawn)


def test_the_leaky_protocol_divides_groups_and_hashes_frames() -> None:
    data = in_memory([(f"{label}{i}", label, 20) for label in ("a", "b") for i in range(3)], folds=[0, 1, 2] * 2)
    split = make_split(data, protocol="leaky")
    assert split.protocol == "leaky"
    assert sum(len(getattr(split, part)) for part in PARTS) == len(data)
    groups = groups_in(data, split)
    assert groups["test"] == groups["training"] == {sample.group for sample in data.samples}


def test_no_name_of_a_group_is_written_down() -> None:
    data = ten_patients_a_class()
    assert "normal1" not in repr(make_split(data))


def test_a_share_of_the_training_groups_is_of_every_class_within_larger_shares_and_leaves_the_rest_alone() -> None:
    data = in_memory(
        [(f"{label}{i}", label, 1 + i % 3) for label, n in (("a", 40), ("b", 20), ("c", 5)) for i in range(n)]
    )
    whole, half, tenth, least = (make_split(data, training_share=share) for share in (1.0, 0.5, 0.1, 0.001))
    assert set(least.training) < set(tenth.training) < set(half.training) < set(whole.training)
    assert all((split.validation, split.test) == (whole.validation, whole.test) for split in (half, tenth, least))
    counts = {name: [0, 0, 0] for name in ("whole", "half", "least")}
    for name, split in (("whole", whole), ("half", half), ("least", least)):
        for group, target in {(sample.group, sample.target) for sample in split.part(data.samples, "training")}:
            assert target is not None and group[0] == "abc"[target]
            counts[name][target] += 1
    assert counts["least"] == [1, 1, 1]
    assert counts["half"] == [-(-n // 2) for n in counts["whole"]]


def test_a_group_in_two_folds_is_refused() -> None:
    data = in_memory([("p1", "a", 1), ("p1", "a", 1), ("p2", "b", 1)], folds=[0, 1, 0])
    with pytest.raises(DataError, match="group 'p1': its frames are in folds 0 and 1, expected one"):
        make_split(data)


def test_a_fold_given_for_some_rows_only_is_refused() -> None:
    data = in_memory([("p1", "a", 1), ("p2", "b", 1)], folds=[0, None])
    with pytest.raises(DataError, match="has no fold, expected one in every row or in none"):
        make_split(data)


@pytest.mark.parametrize("folds", [(), (0, 1, 2, 3, 4)])
def test_an_unknown_fold_names_the_known_ones(folds: tuple[int, ...]) -> None:
    data = in_memory([(f"{label}{i}", label, 1) for label in ("a", "b") for i in range(5)], folds=folds * 2)
    with pytest.raises(DataError, match="has no fold 5, expected --fold 0 or 1 or 2 or 3 or 4"):
        make_split(data, fold=5)


@pytest.mark.parametrize("few", [1, 2])
def test_a_class_with_too_few_groups_is_named_with_the_number_needed(few: int) -> None:
    data = in_memory([*((f"a{i}", "a", 9) for i in range(few)), *((f"b{i}", "b", 1) for i in range(9))])
    with pytest.raises(DataError, match=rf"class 'a' has {few} group\(s\), expected at least 3 .* merge it"):
        make_split(data)


def test_a_class_with_one_group_outside_the_test_fold_is_named() -> None:
    data = in_memory([("a0", "a", 5), ("a1", "a", 5), ("b0", "b", 1), ("b1", "b", 1), ("b2", "b", 1)], [0, 1, 0, 1, 1])
    with pytest.raises(DataError, match=r"class 'a' has 1 group\(s\) left .* when fold 0 is the test part"):
        make_split(data, fold=0)


def test_a_class_missing_from_the_test_fold_is_said_aloud(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = in_memory([(f"{label}{i}", label, 1) for label in "ab" for i in range(4)], [1, 1, 1, 1, 0, 1, 1, 1])
    monkeypatch.setattr(logging.getLogger("edgeneuro"), "propagate", True)
    with caplog.at_level(logging.WARNING):
        make_split(data, fold=0)
    assert "class 'a' has no frames in the test part of fold 0" in caplog.text


def test_unlabelled_frames_cannot_be_split() -> None:
    sample = Sample(source="a.png", index=0, target=None, group="a.png")
    with pytest.raises(DataError, match=r"has 0 classes, expected labelled frames .*labels\.csv"):
        make_split(DataSet(name="x", classes=(), samples=(sample,), reader=lambda _: NotImplemented))


@pytest.mark.parametrize("protocol", ["grouped", "leaky"])
def test_lung_frames_split_with_every_class_in_every_part(real_data: RealData, protocol: Protocol) -> None:
    data = open_data(str(real_data("us_lung_pocus")))
    for fold in range(5):
        split = make_split(data, protocol=protocol, fold=fold)
        groups = groups_in(data, split)
        assert bool(groups["training"] & groups["test"]) == (protocol == "leaky")
        assert all(classes_in(data, split, part) == {0, 1, 2} for part in PARTS)
        if protocol == "grouped":
            assert {s.fold for s in split.part(data.samples, "test")} == {fold}
