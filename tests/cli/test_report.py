"""edgeneuro report: a page from measurements that were taken elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeneuro.benchmarks.report.write import document
from edgeneuro.cli.main import main
from edgeneuro.files import write_json
from tests.benchmarks.documents import sample_report
from tests.cli.conftest import Validate

Capture = pytest.CaptureFixture[str]

pytest.importorskip("plotly", reason="the extra 'report' is not installed")


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    write_json(tmp_path / "bench.json", document([sample_report()]))
    return tmp_path / "bench.json"


@pytest.fixture
def board(tmp_path: Path) -> Path:
    write_json(tmp_path / "board.json", document([sample_report(device="board")]))
    return tmp_path / "board.json"


def test_one_measurement_becomes_three_files(bench: Path, tmp_path: Path, capsys: Capture, validate: Validate) -> None:
    out = tmp_path / "out"
    assert main(["report", str(bench), "--out", str(out)]) == 0
    assert all(str(out / name) in capsys.readouterr().out for name in ("report.html",))
    assert (out / "report.json").read_bytes() == bench.read_bytes()
    validate("benchmark", json.loads((out / "report.json").read_text()))


def test_devices_are_merged_and_can_be_merged_again(
    bench: Path, board: Path, tmp_path: Path, capsys: Capture, validate: Validate
) -> None:
    out = tmp_path / "out"
    assert main(["report", str(bench), str(board), "--out", str(out)]) == 0
    value = json.loads((out / "report.json").read_text())
    validate("benchmark", value)
    assert [report["device"] for report in value["reports"]] == ["bench-x86", "board"]
    assert "## All devices" in (out / "report.md").read_text()
    assert main(["report", str(out / "report.json"), "--out", str(out), "--force", "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.err == ""


def test_engines_that_differ_under_one_name_are_warned_of(
    bench: Path, board: Path, tmp_path: Path, capsys: Capture
) -> None:
    value = json.loads(board.read_text())
    value["engines"][0]["sha256"] = "ab" * 32
    write_json(board, value)
    assert main(["report", str(bench), str(board), "--out", str(tmp_path / "out")]) == 0
    assert "warning: stanet-lung-int8.edge is not the same file everywhere" in capsys.readouterr().err


def test_the_same_file_twice_is_refused(bench: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["report", str(bench), str(bench), "--out", str(tmp_path / "out")]) == 1
    assert "expected each measurement once; leave one of the files out" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_report_that_is_there_is_kept_without_force(bench: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "report.md").write_text("precious")
    assert main(["report", str(bench), "--out", str(tmp_path)]) == 1
    assert "exists already; give --force to replace it" in capsys.readouterr().err
    assert (tmp_path / "report.md").read_text() == "precious"


def test_wrong_usage_ends_with_2_and_wrong_input_with_1(bench: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["report", str(bench)]) == 2
    assert main(["report", "--out", str(tmp_path / "out")]) == 2
    (tmp_path / "photo.json").write_bytes(b"\x89PNG")
    assert main(["report", str(tmp_path / "photo.json"), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"error: {tmp_path / 'photo.json'}: is not JSON")
