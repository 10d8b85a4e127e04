"""`edgeneuro data`, as a user calls it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from edgeneuro.cli.main import main
from edgeneuro.data import open_data
from edgeneuro.data.phantom_lesions import lesions_dataset
from tests.conftest import RealData
from tests.data.folders import write_frames, write_table

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def check(text: str, schema: str) -> object:
    value = json.loads(text)
    Draft202012Validator(json.loads((SCHEMAS / schema).read_text())).validate(value)
    return value


def test_list_prints_one_json_document_of_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--json"]) == 0
    sets = check(capsys.readouterr().out, "data-list.schema.json")
    assert isinstance(sets, list)
    made = ("phantom", "phantom-lesions", "phantom-neurons", "phantom-neurites", "phantom-volumes")
    assert sets[:5] == [{"name": name, "licence": "Apache-2.0", "found": ""} for name in made]


def test_list_says_what_to_set_when_sets_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGENEURO_DATA", raising=False)
    assert main(["data", "list"]) == 0
    printed = capsys.readouterr()
    assert "us_lung_pocus       not found" in printed.out
    assert "set EDGENEURO_DATA" in printed.err


def test_describe_prints_counts_for_people_and_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(tmp_path, ["a.png", "b.png"])
    write_table(tmp_path, ["file,kind,who", "a.png,x,1", "b.png,y,2"])
    columns = ["--label-column", "kind", "--group-column", "who"]
    assert main(["data", "describe", str(tmp_path), *columns]) == 0
    text = capsys.readouterr().out
    assert "2 frames in 2 groups" in text and "48x40 px: 2" in text and "uint8 grey: 2" in text
    assert main(["data", "describe", str(tmp_path), "--json", *columns]) == 0
    value = check(capsys.readouterr().out, "data-describe.schema.json")
    assert isinstance(value, dict) and value["classes"][1] == {"name": "y", "frames": 1, "groups": 1}


def test_describe_ends_with_1_when_a_frame_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(tmp_path, ["a.png", "b.png"])
    (tmp_path / "b.png").write_bytes(b"")
    assert main(["data", "describe", str(tmp_path), "--json"]) == 1
    printed = capsys.readouterr()
    check(printed.out, "data-describe.schema.json")
    assert "1 of 2 frames cannot be read, first" in printed.err and "is empty (0 bytes)" in printed.err


def test_a_missing_folder_ends_with_1_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "describe", "no/such/folder"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_make_refuses_what_it_cannot_simulate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "make", "lesions", "--out", str(tmp_path / "x")]) == 2
    printed = capsys.readouterr().err
    assert "'lesions': cannot be made, expected phantom or phantom-lesions or phantom-neurons or" in printed


def test_make_writes_what_it_simulates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = partial(lesions_dataset, lesions_per_class=1, images_per_lesion=1)
    monkeypatch.setattr("edgeneuro.data.phantom_lesions.lesions_dataset", few)
    assert main(["data", "make", "phantom-lesions", "--out", str(tmp_path / "x"), "--seed", "3"]) == 0
    assert "x: 7 frames in 7 groups, simulated" in capsys.readouterr().out
    assert open_data(str(tmp_path / "x")).name == "phantom-lesions:3"


def test_make_keeps_an_existing_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "make", "phantom", "--out", str(tmp_path)]) == 1
    assert "exists already; give --force" in capsys.readouterr().err


def test_describe_reads_every_lung_frame(real_data: RealData, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "describe", str(real_data("us_lung_pocus")), "--json"]) == 0
    value = check(capsys.readouterr().out, "data-describe.schema.json")
    assert isinstance(value, dict)
    assert value["pixels"] == {"uint8 grey": 938}
    assert sum(value["folds"].values()) == 938 and value["unreadable"] == {}
