"""Which frames are compared, and how they are read."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeneuro.data.sample import Sample
from edgeneuro.errors import (
    DataError,
)
from edgeneuro.runtime.backends.ort import OrtBackend
from tests.benchmarks.compare.files import (
    unlabelled,
    write_int8,
    write_onnx,
)
from tests.benchmarks.compare.running import one, run
from tests.benchmarks.frames import flat_data, split_of


def test_groups_that_any_file_has_seen_are_left_out(tmp_path: Path) -> None:
    data = flat_data()
    first = write_int8(tmp_path / "a.edge", split=split_of(data, training=["dark-0"]))
    second = write_int8(tmp_path / "b.edge", split=split_of(data, training=["grey-0"], calibration=["bright-1"]))
    done = run(first, second, data=data)
    assert (done.left_out.frames, done.left_out.groups) == (9, 3)
    assert (done.data.frames, done.data.groups) == (27, 9)
    assert done.protocol == "grouped" and done.notes == ()
    with pytest.raises(DataError, match="all 36 frames were used"):
        run(write_int8(tmp_path / "c.edge", split=split_of(data, training=sorted({s.group for s in data.samples}))))


def test_a_leaky_split_and_an_unknown_one_are_said(tmp_path: Path) -> None:
    data = flat_data()
    leaky = write_int8(tmp_path / "a.edge", split=split_of(data, training=["dark-0-0.png#0"], leaky=True))
    done = run(leaky, data=data)
    assert done.protocol == "leaky" and done.notes[0].startswith("leaky protocol: 1 of 12 groups")
    unknown = run(write_int8(tmp_path / "b.edge"))
    assert unknown.protocol is None and unknown.notes[0].startswith("No file says what the network was trained on")


def test_some_frames_are_drawn_from_all_groups_in_turn_by_the_seed(tmp_path: Path) -> None:
    engine = write_int8(tmp_path / "a.edge")
    done = run(engine, max_frames=12)
    assert (done.data.frames, done.data.groups, done.drawn_from) == (12, 12, 36)
    assert run(engine, max_frames=12) == done
    assert run(engine, max_frames=36).drawn_from is None


def test_class_numbers_of_the_data_follow_their_names(tmp_path: Path) -> None:
    done = run(write_int8(tmp_path / "a.edge"), data=flat_data(("bright", "dark", "grey")))
    assert done.reference_value is not None and done.reference_value.value == 1.0
    with pytest.raises(DataError, match=r"a\.edge: knows the classes dark, grey, bright, but flat has dark, grey"):
        run(tmp_path / "a.edge", data=flat_data(("dark", "grey")))


def test_unlabelled_frames_give_differences_and_agreement_only(tmp_path: Path) -> None:
    done = run(write_int8(tmp_path / "a.edge", (0.1, 0.0, 0.0)), data=unlabelled())
    assert done.metric is None and done.reference_value is None
    assert one(done).value is None and one(done).drop_points is None
    assert one(done).agreement is not None and one(done).agreement.value == 1.0  # type: ignore[union-attr]
    assert "plain has no labels: executables are compared with the reference only." in done.notes


def test_unlabelled_rows_of_labelled_data_are_left_out_and_counted(tmp_path: Path) -> None:
    data = flat_data()
    partly = data.subset([replace(data.samples[0], target=None), *data.samples[1:]])
    done = run(write_int8(tmp_path / "a.edge"), data=partly)
    assert (done.left_out.unlabelled, done.data.frames) == (1, 35)


def test_each_frame_is_read_once_whatever_the_number_of_executables(tmp_path: Path) -> None:
    data, read = flat_data(), list[str]()

    def reader(sample: Sample) -> Any:
        read.append(sample.source)
        return data.read(sample)

    files = write_int8(tmp_path / "a.edge"), write_onnx(tmp_path / "b.onnx"), write_onnx(tmp_path / "c.onnx")
    done = run(*files, data=replace(data, reader=reader))
    assert len(done.executables) == 3
    assert sorted(read) == sorted(sample.source for sample in data.samples)


def test_no_output_outlives_its_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two executables, 36 frames: at any call at most the outputs of this frame and the last are there."""
    made: list[weakref.ref[Any]] = []
    most = 0
    original = OrtBackend.run

    def counted(self: OrtBackend, feeds: Any) -> Any:
        nonlocal most
        most = max(most, sum(kept() is not None for kept in made))
        outputs = original(self, feeds)
        made.extend(weakref.ref(values) for values in outputs.values())
        return outputs

    monkeypatch.setattr(OrtBackend, "run", counted)
    run(write_int8(tmp_path / "a.edge"))
    assert len(made) == 72 and most <= 4
