"""The phantom: reproducible, one file a frame's worth of numbers, classes as described."""

from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest

from edgeneuro.data.phantom import phantom_dataset, read_phantom, render
from edgeneuro.data.sample import Sample
from edgeneuro.errors import DataError


def test_default_set_has_24_subjects_a_class_and_6_frames_each() -> None:
    data = phantom_dataset()
    assert len(data) == 24 * 4 * 6
    assert data.classes == ("normal", "ibm", "pm", "dm")
    assert np.bincount([sample.target or 0 for sample in data.samples]).tolist() == [144] * 4
    assert len({sample.group for sample in data.samples}) == 96
    assert data.simulated and data.licence == "Apache-2.0"


def test_frames_are_square_grey_bytes_with_contrast() -> None:
    frame = render(0, 5, 2)
    assert frame.shape == (256, 256) and frame.dtype == np.uint8
    assert frame.std() > 10


def test_a_frame_depends_on_seed_subject_and_number_alone() -> None:
    data = phantom_dataset(3, subjects_per_class=2, frames_per_subject=2)
    larger = phantom_dataset(3, subjects_per_class=4, frames_per_subject=3)
    sample = data.samples[-1]
    same = next(other for other in larger.samples if (other.source, other.index) == (sample.source, sample.index))
    assert same == sample
    np.testing.assert_array_equal(data.read(sample), larger.read(same))


@pytest.mark.parametrize("other", [(1, 5, 2), (0, 6, 2), (0, 5, 3)])
def test_another_seed_subject_or_number_is_another_frame(other: tuple[int, int, int]) -> None:
    assert np.abs(render(0, 5, 2).astype(int) - render(*other)).mean() > 5


def test_the_first_frame_is_not_drawn_with_the_subjects_own_numbers() -> None:
    """A seed sequence ignores trailing zeros: [seed, subject] and [seed, subject, 0] would be one stream."""
    subject, frame = (np.random.default_rng([2, 7, part]).random(4) for part in (0, 1))
    assert not np.allclose(subject, frame)


def test_the_phantom_is_the_one_the_packaged_weights_were_trained_on() -> None:
    """Change this thumbnail only together with the packaged weights and docs/results."""
    thumbnail = cv2.resize(render(0, 1, 0), (4, 4), interpolation=cv2.INTER_AREA)
    expected = [[131, 131, 134, 130], [110, 130, 144, 130], [101, 96, 96, 94], [119, 115, 112, 112]]
    np.testing.assert_allclose(thumbnail, expected, atol=1)  # one grey level: rounding of other numpy and OpenCV builds


def test_another_seed_shares_no_group_with_the_first() -> None:
    groups = [{sample.group for sample in phantom_dataset(seed).samples} for seed in (0, 1)]
    assert groups[0].isdisjoint(groups[1])


def test_every_fold_holds_every_class_and_no_subject_is_in_two_folds() -> None:
    data = phantom_dataset()
    assert len({(sample.group, sample.fold) for sample in data.samples}) == 96
    assert {(sample.fold, sample.target) for sample in data.samples} == {(f, c) for f in range(5) for c in range(4)}


def test_the_reader_can_be_sent_to_a_worker_process() -> None:
    data = phantom_dataset(subjects_per_class=1, frames_per_subject=1)
    again = pickle.loads(pickle.dumps(data))  # noqa: S301
    np.testing.assert_array_equal(again.read(again.samples[2]), data.read(data.samples[2]))


def test_tags_name_the_subject_and_the_probe() -> None:
    sample = phantom_dataset().samples[6]
    assert sample.unit("subject_id") == "001"
    assert sample.unit("probe").startswith("linear-")


def test_a_foreign_sample_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"frame\.png: not a phantom frame, expected phantom-SEED"):
        read_phantom(Sample(source="frame.png", index=0, target=None, group="g"))


def test_a_negative_seed_is_refused_with_what_to_write() -> None:
    with pytest.raises(DataError, match=r"got seed -1.*write phantom or phantom:SEED"):
        phantom_dataset(-1)
