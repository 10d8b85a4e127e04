"""Opening folders: how they are described, what is dropped, what is refused."""

from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from edgeneuro.data import open_data
from edgeneuro.data.registered import Description
from edgeneuro.errors import DataError
from edgeneuro.records import to_json
from tests.conftest import RealData
from tests.data.folders import speckle, write_frames, write_table

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/dataset.schema.json").read_text())


def write_labelled(folder: Path) -> None:
    write_frames(folder, ["images/a.png", "images/b.png", "c.png"])
    write_table(
        folder, ["file,label,group_id,probe", "images/a.png,ibm,p1,L4", "images/b.png,normal,p2,L9", "c.png,ibm,p1,L4"]
    )


def test_labels_csv_gives_samples_in_order_with_the_other_columns_as_tags(tmp_path: Path) -> None:
    write_labelled(tmp_path)
    data = open_data(str(tmp_path))
    assert data.classes == ("ibm", "normal")
    assert [(s.source, s.target, s.group, s.fold) for s in data.samples] == [
        ("images/a.png", 0, "p1", None),
        ("images/b.png", 1, "p2", None),
        ("c.png", 0, "p1", None),
    ]
    assert data.samples[1].tags == {"group_id": "p2", "probe": "L9"}
    assert data.samples[1].unit("probe") == "L9"
    np.testing.assert_array_equal(data.read(data.samples[1]), speckle(1))


def test_a_data_set_crosses_to_a_worker_process(tmp_path: Path) -> None:
    write_labelled(tmp_path)
    there = pickle.loads(pickle.dumps(open_data(str(tmp_path))))  # noqa: S301  (what a DataLoader worker does)
    np.testing.assert_array_equal(there.read(there.samples[0]), speckle(0))


def test_rows_without_label_or_with_conflicting_labels_are_dropped_and_counted(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a.png", "b.png"])
    write_table(tmp_path, ["file,label,group_id,label_conflict", "a.png,x,1,0", "gone.png,,1,0", "b.png,y,2,1"])
    data = open_data(str(tmp_path))
    assert [sample.source for sample in data.samples] == ["a.png"]
    assert data.dropped == {"empty label": 1, "conflicting labels": 1}


def test_a_fold_column_is_read_as_numbers_and_is_no_tag(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a.png", "b.png"])
    write_table(tmp_path, ["file,label,group_id,fold", "a.png,x,1,3", "b.png,y,2,"])
    data = open_data(str(tmp_path))
    assert [sample.fold for sample in data.samples] == [3, None]
    assert "fold" not in data.samples[0].tags


def test_flags_name_other_columns(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a.png", "b.png"])
    write_table(tmp_path, ["file,disease,patient", "a.png,y,1", "b.png,x,2"])
    data = open_data(str(tmp_path), label_column="disease", group_column="patient")
    assert [(sample.target, sample.group) for sample in data.samples] == [(1, "1"), (0, "2")]


def test_a_byte_order_mark_and_padded_cells_do_no_harm(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a.png"])
    (tmp_path / "labels.csv").write_bytes("\ufefffile, label ,group_id\r\na.png, x ,1\r\n".encode())
    assert open_data(str(tmp_path)).classes == ("x",)


def test_dataset_json_gives_name_columns_class_order_and_licence(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a.png", "b.png"])
    write_table(tmp_path, ["path,kind,lesion,part", "a.png,x,1,0", "b.png,y,2,4"], table="index.csv")
    description = Description(
        name="mine",
        table="index.csv",
        file_column="path",
        label_column="kind",
        group_column="lesion",
        fold_column="part",
        classes=("y", "x", "never seen"),
        licence="CC0-1.0",
        simulated=True,
    )
    Draft202012Validator(SCHEMA).validate(to_json(description))
    (tmp_path / "dataset.json").write_text(json.dumps(to_json(description)))
    data = open_data(str(tmp_path))
    assert (data.name, data.licence, data.simulated) == ("mine", "CC0-1.0", True)
    assert data.classes == ("y", "x", "never seen")
    assert [(sample.target, sample.group, sample.fold) for sample in data.samples] == [(1, "1", 0), (0, "2", 4)]


def test_the_schema_lists_the_fields_of_the_description() -> None:
    assert set(SCHEMA["properties"]) == set(to_json(Description(name="x")))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not readable JSON"),
        ("{}", "field 'name' is missing"),
        ('{"name": 3}', "got 3, expected text"),
        ('{"name": "x", "colour": 1}', "unknown field 'colour'"),
        ('{"name": "x", "schema": 2}', "has schema 2, expected 1; update edgeneuro"),
        ('{"name": "x", "classes": ["a", "a"]}', "names a class twice"),
        ('{"name": "x", "table": "../labels.csv"}', "expected a path inside the folder"),
        ('{"name": "x", "table": "none.csv"}', "no such table"),
        ('{"name": "x", "classes": ["normal"]}', "line 2 has label 'ibm', expected one of normal"),
        ('{"name": "x", "fold_column": "part"}', r"missing: part"),
    ],
)
def test_a_wrong_dataset_json_says_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    write_labelled(tmp_path)
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DataError, match=message):
        open_data(str(tmp_path))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["file,class", "a.png,x"],
            r"has columns file, class, but needs file, label, group_id \(missing: label, group_id\); .*--label-column",
        ),
        (["file,label,group_id", "a.png,x,1", "gone.png,y,2"], r"1 of 2 files are missing, first 'gone.png' on line 3"),
        (["file,label,group_id", "/etc/passwd,x,1"], "names the file '/etc/passwd', expected a path inside the folder"),
        (["file,label,group_id", "../a.png,x,1"], "names the file '../a.png', expected a path inside the folder"),
        (["file,label,group_id", "C:\\a.png,x,1"], "expected a path inside the folder"),
        (["file,label,group_id", "a.png,x,"], "line 2 has an empty group_id"),
        (["file,label,group_id", "a.png,x,1", "./a.png,y,2"], r"lists \./a.png twice, on lines 2 and 3"),
        (["file,label,group_id,fold", "a.png,x,1,two"], "line 2 has fold 'two', expected a whole number"),
        (["file,label,group_id", "a.png,x"], "line 2 has not the 3 cells of the header"),
        (["file,label,group_id", "a.png,x,1,2"], "line 2 has not the 3 cells of the header"),
        (["file,label,group_id,label", "a.png,x,1,y"], "has column 'label' twice"),
        (["file,label,group_id", "a.png,,1"], r"has no labelled row \(\{'empty label': 1\} dropped\)"),
        (["file,label,group_id"], "has no labelled row"),
        ([], "is empty|has columns"),
    ],
)
def test_a_wrong_table_says_what_is_wrong(tmp_path: Path, lines: list[str], message: str) -> None:
    write_frames(tmp_path / "set", ["a.png"])
    write_frames(tmp_path, ["a.png"])
    write_table(tmp_path / "set", lines)
    with pytest.raises(DataError, match=message):
        open_data(str(tmp_path / "set"))


def test_a_table_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"file,label,group_id\n\xff\xfe\0,x,1\n")
    with pytest.raises(DataError, match=r"is not a readable table .*UTF-8"):
        open_data(str(tmp_path))


def test_subfolders_are_classes_and_it_is_said_that_every_file_is_its_own_group(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_frames(tmp_path, ["normal/1.png", "ibm/1.png", "ibm/deep/2.png"])
    (tmp_path / "ibm" / "notes.txt").touch()
    (tmp_path / ".hidden.png").touch()
    monkeypatch.setattr(logging.getLogger("edgeneuro"), "propagate", True)
    with caplog.at_level(logging.WARNING):
        data = open_data(str(tmp_path))
    assert data.classes == ("ibm", "normal")
    assert [(s.source, s.target) for s in data.samples] == [
        ("ibm/1.png", 0),
        ("ibm/deep/2.png", 0),
        ("normal/1.png", 1),
    ]
    assert len({sample.group for sample in data.samples}) == 3
    assert data.dropped == {"not a frame file": 1}
    assert "every file is its own group" in caplog.text


def test_a_folder_of_images_alone_is_unlabelled(tmp_path: Path) -> None:
    write_frames(tmp_path, ["b.png", "a.png"])
    data = open_data(str(tmp_path))
    assert data.classes == ()
    assert [(sample.source, sample.target) for sample in data.samples] == [("a.png", None), ("b.png", None)]


def test_frames_both_beside_and_in_subfolders_are_refused(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a.png", "ibm/b.png", "ibm/c.png"])
    with pytest.raises(DataError, match="has 1 frames beside its subfolders and 2 in them"):
        open_data(str(tmp_path))


def test_an_empty_folder_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no frames, expected labels.csv or files ending in \.png"):
        open_data(str(tmp_path))


def test_column_flags_without_a_table_are_refused(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a.png"])
    with pytest.raises(DataError, match=r"has no labels\.csv whose columns could be chosen"):
        open_data(str(tmp_path), label_column="x")


def test_a_name_is_looked_for_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_frames(tmp_path / "us_muscle_timtrack", ["a.png", "b.png"])
    write_table(
        tmp_path / "us_muscle_timtrack",
        ["file,muscle,group_id,fold", "a.png,vastus_lateralis,1,0", "b.png,gastrocnemius_medialis,2,1"],
    )
    monkeypatch.setenv("EDGENEURO_DATA", str(tmp_path))
    data = open_data("us_muscle_timtrack")
    assert data.name == "us_muscle_timtrack"
    assert [sample.target for sample in data.samples] == [2, 1]


def test_a_missing_folder_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGENEURO_DATA", raising=False)
    with pytest.raises(DataError, match=r"'lung': no such folder \(set EDGENEURO_DATA .*one of us_lung_pocus"):
        open_data("lung")
    monkeypatch.setenv("EDGENEURO_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"'lung': no such folder \(not in .* either\)"):
        open_data("lung")


def test_a_file_is_no_data_set(tmp_path: Path) -> None:
    write_frames(tmp_path, ["a.png"])
    with pytest.raises(DataError, match="is a file, expected a folder of frames"):
        open_data(str(tmp_path / "a.png"))


def test_a_set_that_is_no_images_is_refused_by_name(tmp_path: Path) -> None:
    write_table(tmp_path / "v1_gratings_2p", ["file,trial,block"])
    with pytest.raises(DataError, match="v1_gratings_2p: holds sessions, expected one of them by name"):
        open_data(str(tmp_path / "v1_gratings_2p"))


@pytest.mark.parametrize("name", ["phantom", "phantom-lesions"])
def test_a_phantom_takes_a_seed_and_refuses_anything_else(name: str) -> None:
    assert open_data(name).simulated and open_data(name).name == name
    assert open_data(f"{name}:7").samples[0].group != open_data(name).samples[0].group
    with pytest.raises(DataError, match=f"has seed 'x', expected a whole number from 0, as in {name}:7"):
        open_data(f"{name}:x")


def test_a_name_that_only_begins_like_a_phantom_is_looked_for_as_a_folder() -> None:
    with pytest.raises(
        DataError, match=r"'phantom-lesion': no such folder .*phantom\[:SEED\], phantom-lesions\[:SEED\]"
    ):
        open_data("phantom-lesion")


@pytest.mark.parametrize(
    ("name", "classes", "frames", "groups", "dropped"),
    [
        ("us_lung_pocus", 3, 938, 57, {}),
        ("us_breast_busi", 3, 622, 489, {"conflicting labels": 16}),
        ("us_muscle_timtrack", 3, 267, 37, {}),
        ("skin_ham10000", 7, 8210, 6115, {}),
    ],
)
def test_registered_sets_open_with_their_own_columns(
    real_data: RealData, name: str, classes: int, frames: int, groups: int, dropped: dict[str, int]
) -> None:
    data = open_data(str(real_data(name)))
    assert data.name == name
    assert (len(data.classes), len(data), len({sample.group for sample in data.samples})) == (classes, frames, groups)
    assert data.dropped == dropped
    assert data.read(data.samples[0]).dtype == np.uint8
