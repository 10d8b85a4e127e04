"""Guards: what was seen in training is not evaluated, what is tested does not calibrate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.data import open_data
from edgeneuro.data.leakage import frame_hash, leak_statement, refuse_test_frames, unseen
from edgeneuro.data.make_split import make_split
from edgeneuro.errors import DataError
from tests.data.folders import in_memory, png, speckle, write_frames

DATA = in_memory([(f"{label}{i}", label, 3) for label in ("a", "b") for i in range(5)])


def test_only_groups_unseen_in_training_are_left_and_the_rest_is_counted() -> None:
    split = make_split(DATA)
    left = unseen(DATA, split)
    assert left.dataset.samples == split.part(DATA.samples, "test")
    assert (left.left_out, left.out_of, left.left_out_groups) == (24, 30, 8)
    assert left.summary.startswith("6 frames evaluated; 24 of 30 left out (8 groups")


def test_calibration_groups_count_as_seen() -> None:
    split = make_split(DATA)
    everything = replace(split, training=(), validation=(), calibration=split.training)
    assert unseen(DATA, everything).left_out == 3 * len(split.training)


def test_a_group_from_elsewhere_is_unseen() -> None:
    other = in_memory([("new1", "a", 2), ("new2", "b", 2)])
    assert unseen(other, make_split(DATA)).left_out == 0


def test_nothing_left_is_an_error_that_asks_for_other_recordings() -> None:
    split = make_split(DATA)
    trained = DATA.subset(split.part(DATA.samples, "training"))
    with pytest.raises(DataError, match=r"all 18 frames were used in training.*evaluate on other recordings"):
        unseen(trained, split)


def test_the_leaky_protocol_states_how_many_groups_leak() -> None:
    data = in_memory([(f"{label}{i}", label, 40) for label in ("a", "b") for i in range(3)])
    statement = leak_statement(data, make_split(data, protocol="leaky"))
    assert statement is not None and "6 of 6 groups in the test part also have frames in training" in statement
    assert leak_statement(data, make_split(data)) is None


def test_a_calibration_frame_that_is_a_test_frame_is_found_under_another_name_and_format(tmp_path: Path) -> None:
    write_frames(tmp_path / "test", ["a.png", "b.png"])
    write_frames(tmp_path / "calibration", ["x.png", "y.png"], first_seed=10)
    refuse_test_frames(open_data(str(tmp_path / "calibration")), open_data(str(tmp_path / "test")))
    cv2.imwrite(str(tmp_path / "calibration" / "copy.bmp"), speckle(1))
    with pytest.raises(DataError, match=r"1 of 3 calibration frames are test frames of test \(copy.bmp = b.png\)"):
        refuse_test_frames(open_data(str(tmp_path / "calibration")), open_data(str(tmp_path / "test")))


def test_one_changed_pixel_makes_another_frame(tmp_path: Path) -> None:
    write_frames(tmp_path / "test", ["a.png"])
    changed = speckle(0)
    changed[0, 0] ^= 1
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "a.png").write_bytes(png(changed))
    refuse_test_frames(open_data(str(tmp_path / "calibration")), open_data(str(tmp_path / "test")))


def test_the_same_bytes_in_another_shape_or_type_are_another_frame() -> None:
    frame = speckle(0)
    assert len({frame_hash(frame), frame_hash(frame.reshape(48, 40)), frame_hash(frame.view(np.bool_))}) == 3
