"""Folders of SWC files as data sets, and their pictures."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.data import open_data
from edgeneuro.data.describe import summarise
from edgeneuro.data.leakage import refuse_test_frames
from edgeneuro.data.make_split import make_split
from edgeneuro.data.pictures import picture_path
from edgeneuro.drawing import Drawing
from edgeneuro.errors import DataError, FrameError
from tests.conftest import RealData
from tests.data.folders import write_frames, write_table
from tests.neurons import PYRAMID, swc, tree, write_neurons

DRAWING = Drawing(variant="raw", view="xyz", side_px=40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two neurons with a table."""
    write_neurons(tmp_path, ["swc/a.swc", "swc/b.SWC"])
    write_table(tmp_path, ["file,label,group_id,layer", "swc/a.swc,TPC,r1,L5", "swc/b.SWC,MC,r2,L2"])
    return tmp_path


def test_neurons_are_read_as_trees_and_as_pictures(folder: Path) -> None:
    data = open_data(str(folder))
    assert data.has_neurons and data.classes == ("MC", "TPC") and data.samples[1].tags["layer"] == "L2"
    np.testing.assert_array_equal(data.neuron(data.samples[0]).points, tree().points)
    np.testing.assert_array_equal(data.read(data.samples[0]), Drawing()(tree()))
    drawn = data.drawn_as(DRAWING)
    assert drawn.drawing == DRAWING and data.drawing == Drawing()
    np.testing.assert_array_equal(drawn.read(data.samples[0]), DRAWING(tree()))
    np.testing.assert_array_equal(drawn.item(data.samples[0]), DRAWING(tree()))
    assert drawn.subset(data.samples[:1]).drawing == DRAWING


def test_a_folder_without_a_table_is_unlabelled_or_has_its_classes_as_subfolders(tmp_path: Path) -> None:
    write_neurons(tmp_path / "plain", ["a.swc", "b.swc"])
    assert open_data(str(tmp_path / "plain")).has_neurons and open_data(str(tmp_path / "plain")).classes == ()
    write_neurons(tmp_path / "named", ["MC/a.swc", "TPC/b.swc"])
    named = open_data(str(tmp_path / "named"))
    assert named.classes == ("MC", "TPC") and [sample.target for sample in named.samples] == [0, 1]


def test_neurons_among_pictures_are_refused(folder: Path) -> None:
    write_frames(folder, ["c.png"])
    write_table(folder, ["file,label,group_id", "swc/a.swc,TPC,r1", "c.png,MC,r2"])
    with pytest.raises(DataError, match=r"has 1 neurons \(swc/a.swc, ...\) among 2 files, expected all or none"):
        open_data(str(folder))


def test_frames_have_no_neurons_and_are_drawn_by_nobody(tmp_path: Path, folder: Path) -> None:
    write_frames(tmp_path / "frames", ["a.png"])
    frames = open_data(str(tmp_path / "frames"))
    assert not frames.has_neurons and frames.drawn_as(None) is frames and frames.drawn_as(DRAWING) is frames
    with pytest.raises(DataError, match=r"frames: holds frames, expected neurons; give a folder of .swc files"):
        frames.neuron(frames.samples[0])
    with pytest.raises(DataError, match="holds neurons, but the network does not say how they are drawn"):
        open_data(str(folder)).drawn_as(None)


def test_a_neuron_that_cannot_be_read_is_named_with_its_line(folder: Path) -> None:
    (folder / "swc/a.swc").write_bytes(swc([*PYRAMID, (3, 0, 0, 0, 1, 77)]))
    data = open_data(str(folder))
    with pytest.raises(FrameError, match=r"a.swc: line 10 has parent 77, which no line defines"):
        data.read(data.samples[0])
    summary = summarise(data)
    assert summary.frames == 2 and list(summary.unreadable) == ["swc/a.swc"]
    assert summary.pixels == {"neuron, drawn as uint8 RGB": 1} and summary.sizes == {"224x224": 1}


def test_a_set_of_neurons_crosses_to_a_worker_process(folder: Path) -> None:
    there = pickle.loads(pickle.dumps(open_data(str(folder)).drawn_as(DRAWING)))  # noqa: S301  (what a DataLoader worker does)
    np.testing.assert_array_equal(there.read(there.samples[0]), DRAWING(tree()))


def test_a_neuron_of_the_test_part_is_found_among_calibration_neurons_whatever_its_name(folder: Path) -> None:
    data = open_data(str(folder))
    write_neurons(folder / "more", ["x.swc"])
    with pytest.raises(DataError, match=r"1 of 1 calibration frames are test frames .* \(x.swc = swc/a.swc\)"):
        refuse_test_frames(open_data(str(folder / "more")), data)


# --- pictures that are kept


def kept(folder: Path, drawing: Drawing) -> Path:
    return picture_path((folder / "swc/a.swc").read_bytes(), drawing)


def test_a_picture_is_kept_privately_by_content_and_drawing(folder: Path) -> None:
    data = open_data(str(folder)).drawn_as(DRAWING)
    path = kept(folder, DRAWING)
    path.unlink(missing_ok=True)
    first = data.read(data.samples[0])
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    np.testing.assert_array_equal(data.read(data.samples[0]), first)
    others = {kept(folder, Drawing(variant="raw", view="type", side_px=40)), picture_path(swc(PYRAMID[:-1]), DRAWING)}
    assert path not in others and len(others) == 2


def test_what_is_kept_is_what_is_read_so_nothing_is_drawn_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_data(str(folder)).drawn_as(DRAWING)
    first = data.read(data.samples[0])
    monkeypatch.setattr(Drawing, "__call__", lambda *_: pytest.fail("drawn again"))
    np.testing.assert_array_equal(data.read(data.samples[0]), first)


@pytest.mark.parametrize("content", [b"", b"PNG", "other size"])
def test_a_kept_picture_that_is_damaged_is_drawn_again(folder: Path, content: bytes | str) -> None:
    data = open_data(str(folder)).drawn_as(DRAWING)
    path, first = kept(folder, DRAWING), data.read(data.samples[0])
    if isinstance(content, str):
        larger = Drawing(side_px=48)
        data.drawn_as(larger).read(data.samples[0])
        content = kept(folder, larger).read_bytes()
    path.write_bytes(content)
    np.testing.assert_array_equal(data.read(data.samples[0]), first)
    assert path.read_bytes() != content


def test_where_nothing_can_be_kept_pictures_are_drawn_each_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "file"))
    data = open_data(str(folder)).drawn_as(DRAWING)
    for _ in range(2):
        np.testing.assert_array_equal(data.read(data.samples[0]), DRAWING(tree()))


# --- the registered set


def test_rat_neurons_are_opened_by_name_with_twelve_types_and_their_folds(real_data: RealData) -> None:
    data = open_data(str(real_data("rat_neuron_swc")))
    assert (len(data), len(data.classes), data.dropped) == (541, 12, {"empty label": 22})
    assert data.licence == "CC-BY-4.0" and set(data.subgroups) == {"cell_class", "layer"}
    split = make_split(data, protocol="grouped", fold=1, seed=0)
    assert {sample.fold for sample in split.part(data.samples, "test")} == {1}
    pyramidal = next(sample for sample in data.samples if data.classes[sample.target or 0] == "L5_TPC")
    axon, basal, apical = (data.read(pyramidal)[..., channel] for channel in range(3))
    assert axon.any() and np.argwhere(apical)[:, 0].mean() < np.argwhere(basal)[:, 0].mean()  # the apical tree is above
