"""Numbers on paper: one JSON file and one page that agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeneuro.benchmarks import cold_start, preprocessing, runtime_overhead
from edgeneuro.benchmarks.results import machine, table, write_result
from edgeneuro.runtime.backends import unavailable
from tests.runtime.bundles import write_bundle


def written(folder: Path, name: str) -> tuple[dict[str, object], str]:
    return json.loads((folder / f"{name}.json").read_text()), (folder / f"{name}.md").read_text()


def test_a_result_says_what_was_measured_where_when_and_how(tmp_path: Path) -> None:
    write_result(
        "speed",
        title="Speed",
        rows=[{"graph": "fp32", "ms": 1.23456, "all": [1, 2]}, {"graph": "int8", "ms": None}],
        columns={"graph": "graph", "ms": "time, ms"},
        context={"script": "python speed.py", "data": "phantom", "notes": ["Medians."]},
        folder=tmp_path,
    )
    value, page = written(tmp_path, "speed")
    assert value["rows"] == [{"graph": "fp32", "ms": 1.23456, "all": [1, 2]}, {"graph": "int8", "ms": None}]
    assert value["machine"] == machine()
    assert "| graph | time, ms |\n|---|---|\n| fp32 | 1.235 |\n| int8 | - |" in page
    for words in (
        "# Speed",
        "- script: python speed.py",
        "- data: phantom",
        "Medians.",
        str(value["date"]),
        "onnxruntime",
    ):
        assert words in page


def test_a_bar_in_a_cell_does_not_break_the_table() -> None:
    assert table([{"a": "x|y", "b": True}], {"a": "A", "b": "B"}).splitlines()[-1] == "| x\\|y | yes |"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results are written below the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "docs" / "results"


def test_overhead_is_measured_on_every_installed_backend_against_its_bare_calls(here: Path, tmp_path: Path) -> None:
    runtime_overhead.main(write_bundle(tmp_path / "tiny.edge"), rounds=3, threads=1, seed=0)
    value, page = written(here, "runtime_overhead")
    assert isinstance(value["rows"], list)
    rows = [(row["backend"], row["reference"]) for row in value["rows"]]
    assert rows[:2] == [("onnxruntime", "own session"), ("onnxruntime", "fresh session")]
    assert rows[2:] == ([("openvino", "own session")] if not unavailable("openvino") else [])
    assert "tiny.edge" in page


def test_preprocessing_is_measured_for_each_kind_of_frame(here: Path) -> None:
    preprocessing.main(None, rounds=2, threads=1, seed=0)
    value, _ = written(here, "preprocessing")
    assert isinstance(value["rows"], list)
    assert [row["frame"] for row in value["rows"]] == ["grey, 8 bit", "RGB, 8 bit", "grey, 16 bit"]


def test_a_device_process_and_a_bare_script_name_the_same_class(here: Path, tmp_path: Path) -> None:
    cold_start.main(write_bundle(tmp_path / "tiny.edge"), rounds=1, threads=1)
    value, _ = written(here, "cold_start")
    assert isinstance(value["rows"], list)
    bare, device, untested = value["rows"]
    assert bare["verify_ms"] is None and bare["self_test_ms"] is None
    assert device["verify_ms"] > 0 and device["self_test_ms"] > 0
    assert untested["process"] == "edgeneuro without self-test"
