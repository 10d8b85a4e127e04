"""`edgeneuro build-engine` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from edgeneuro.cli.main import main

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "inspect.schema.json").read_text())


def test_json_describes_the_bundle_that_was_written(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.edge"
    assert main(["build-engine", str(checkpoint), "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, SCHEMA)
    assert (document["path"], document["precision"]) == (str(out), "fp32")
    assert out.is_file()


def test_people_get_a_table_and_nothing_else_on_standard_output(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build-engine", str(checkpoint), "--out", str(tmp_path / "mine.edge"), "--quiet"]) == 0
    said = capsys.readouterr()
    assert "503,703 parameters" in said.out  # 503,880 with four classes
    assert said.err == ""


def test_default_name_tells_model_and_precision(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["build-engine", str(checkpoint), "--quiet"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"{checkpoint.name}-fp32.edge"]


def test_an_existing_file_is_refused_in_one_line_before_any_work(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.edge"
    out.write_bytes(b"precious")
    assert main(["build-engine", str(checkpoint), "--out", str(out)]) == 1
    assert (
        capsys.readouterr().err.strip() == f"error: {out}: exists already; give --force to replace it, or another name"
    )
    assert out.read_bytes() == b"precious"
