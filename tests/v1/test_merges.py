"""Merging of classes by table and by features of images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.data.recordings import UNKNOWN
from edgeneuro.errors import DataError, InputError
from edgeneuro.v1.decoding.merges import guided_merge, merge_classes, read_merges
from tests.v1.decoding_sessions import images_without_kinds

NATIMG = (
    "birds", "cats", "flowers", "hamsters", "holes", "insects", "mice", "mushrooms", "nests", "pellets", "snakes", "wildcats",
    "other animals", "other natural", "other man made",
)  # fmt: skip


def test_our_merges_know_every_class_of_natimg_and_make_six() -> None:
    merges = read_merges()
    assert {name: len(set(merge.values())) for name, merge in merges.items()} == {
        "mice-apart": 6,
        "mice-and-hamsters": 6,
    }
    assert all(set(merge) == set(NATIMG) for merge in merges.values())
    assert [name for name, to in merges["mice-apart"].items() if to == "mice"] == ["mice"]
    assert merges["mice-and-hamsters"]["mice"] == merges["mice-and-hamsters"]["hamsters"]


def test_merged_labels_follow_the_table_and_unknown_stays_unknown() -> None:
    recording = images_without_kinds(images=6)
    labels = recording.labels.copy()
    labels[0] = UNKNOWN
    merged = merge_classes(replace(recording, labels=labels), {"class 0": "b", "class 1": "a", "class 2": "b"})
    assert merged.classes == ("a", "b")
    assert merged.labels[0] == UNKNOWN
    np.testing.assert_array_equal(merged.labels[1:], np.array([1, 0, 1])[labels[1:]])


def test_a_merge_that_forgets_a_class_is_refused() -> None:
    with pytest.raises(DataError, match="what becomes of class 2"):
        merge_classes(images_without_kinds(images=6), {"class 0": "a", "class 1": "a"})


@pytest.mark.parametrize("content", ["{", '{"mine": {"birds": 3}}', "[]"])
def test_a_file_of_other_things_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "own.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"own\.json"):
        read_merges(path)


def test_features_that_put_two_classes_together_guide_the_merge() -> None:
    recording = images_without_kinds(images=60)
    of_image = recording.labels[:60]
    features = np.array([[0.0, 0.0], [0.0, 0.0], [9.0, 9.0]])[of_image] + np.random.default_rng(1).normal(
        0, 0.1, (60, 2)
    )
    found = guided_merge(recording, features)
    assert found.clusters == 2 and found.indices[2] == min(found.indices.values())
    assert found.merge["class 0"] == found.merge["class 1"] != found.merge["class 2"]
    assert merge_classes(recording, found.merge).classes == ("cluster 1", "cluster 2")


def test_features_of_too_few_images_are_refused() -> None:
    with pytest.raises(DataError, match="features of 40 images, expected 60"):
        guided_merge(images_without_kinds(images=60), np.zeros((40, 2)))
