"""edgeneuro v1 report: from a session's files to a page; and what it says of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.cli.main import main
from edgeneuro.data.recordings.natimg import write_natimg
from edgeneuro.v1.report import run, settings
from edgeneuro.v1.report.records import Settings
from edgeneuro.v1.report.steps import Step, steps
from tests.cli.conftest import Validate
from tests.v1.small_reports import small_session, small_settings

Capture = pytest.CaptureFixture[str]
FAST = ("distances.raw", "clusters", "identity", "order")

pytest.importorskip("plotly", reason="the extra 'report' is not installed")


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four steps, for what all of them make is tested elsewhere."""

    def table(chosen: Settings) -> tuple[Step, ...]:
        return tuple(step for step in steps(chosen) if step.name in FAST)

    monkeypatch.setattr(run, "steps", table)
    monkeypatch.setattr(settings, "quick", lambda seed: small_settings())


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """Without images and classes beside it."""
    write_natimg(tmp_path / "small.mat", small_session())
    return tmp_path / "small.mat"


def test_a_session_becomes_three_files_and_a_folder_of_steps(
    session: Path, tmp_path: Path, capsys: Capture, validate: Validate
) -> None:
    out = tmp_path / "out"
    assert main(["v1", "report", str(session), "--out", str(out), "--quick"]) == 0
    assert str(out / "report.html") in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    validate("v1-report", report)
    assert report["skipped"] == {"order": f"order of fields: {report['session']['name']} has no images"}
    assert sorted(path.stem for path in (out / "steps").glob("*.json")) == sorted(FAST)


def test_a_report_goes_on_where_it_was_and_prints_itself_as_json(
    session: Path, tmp_path: Path, capsys: Capture
) -> None:
    arguments = ["v1", "report", str(session), "--out", str(tmp_path / "out"), "--quick"]
    assert main([*arguments, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    (tmp_path / "out" / "steps" / "clusters.json").unlink()
    assert main([*arguments, "--resume", "--json"]) == 0
    done = capsys.readouterr()
    assert json.loads(done.out) == json.loads((tmp_path / "out" / "report.json").read_text())
    assert done.err == ""


def test_what_is_there_is_not_written_over_unless_asked_to(session: Path, tmp_path: Path, capsys: Capture) -> None:
    arguments = ["v1", "report", str(session), "--out", str(tmp_path / "out"), "--quick", "--quiet"]
    assert main(arguments) == 0
    assert main(arguments) == 1
    (tmp_path / "out" / "report.json").unlink()
    (tmp_path / "out" / "report.md").unlink()
    (tmp_path / "out" / "report.html").unlink()
    assert main(arguments) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line.startswith("error: ") and "exists already" in line for line in said] == [True, True]
    assert main([*arguments, "--force"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing.mat"], 1, "nothing.mat"),
        (["v1-simulated:x"], 1, "expected a whole number"),
        (["v1-simulated:0", "--features", "none.npy"], 1, "none.npy"),
        (["v1-simulated:0", "--features", "two.npz"], 1, "holds 2 named arrays"),
        (["v1-simulated:0", "--features", "flat.npy"], 1, "of shape (3,)"),
        (["v1-simulated:0", "--features", "hole.npy"], 1, "not finite"),
        (["v1-simulated:0", "--resume", "--force"], 2, "contradicts"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("two.npz", a=np.ones(2), b=np.ones(2))
    np.save("flat.npy", np.ones(3))
    np.save("hole.npy", np.full((3, 2), np.nan))
    assert main(["v1", "report", *arguments, "--out", "out", "--quick"]) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not Path("out").exists()


def test_another_session_is_refused_when_a_report_is_gone_on_with(
    session: Path, tmp_path: Path, capsys: Capture
) -> None:
    arguments = ["--out", str(tmp_path / "out"), "--quick", "--quiet"]
    assert main(["v1", "report", str(session), *arguments]) == 0
    assert main(["v1", "report", "v1-simulated:0", *arguments, "--resume"]) == 1
    assert "another session" in capsys.readouterr().err
