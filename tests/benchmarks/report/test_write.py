"""Three files, each whole or not at all, and refusals before anything long runs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from edgeneuro.benchmarks.report import html as html_module
from edgeneuro.benchmarks.report.read import read_report
from edgeneuro.benchmarks.report.write import NAMES, check_report, write_report
from edgeneuro.errors import InputError, OutputError
from tests.benchmarks.documents import sample_report


def test_a_report_is_three_files_that_are_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="the extra 'report' is not installed")
    first = write_report(sample_report(), tmp_path / "new" / "folder")
    assert [path.name for path in first] == list(NAMES)
    assert read_report(first[0]) == sample_report()
    again = write_report(sample_report(), tmp_path / "again")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert {path.name for path in first[0].parent.iterdir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_report_that_is_there_is_kept_without_force(tmp_path: Path, name: str) -> None:
    pytest.importorskip("plotly", reason="the extra 'report' is not installed")
    (tmp_path / name).write_text("precious")
    with pytest.raises(OutputError, match=f"{name}: exists already; give --force"):
        write_report(sample_report(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "precious"
    check_report(tmp_path, force=True)


def test_a_missing_extra_is_named_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_plotly(name: str) -> Any:
        return None if name == "plotly" else find_spec(name)

    monkeypatch.setattr(html_module, "find_spec", without_plotly)
    with pytest.raises(InputError, match=r"needs plotly, .* run: pip install 'edgeneuro\[report\]', or measure here"):
        write_report(sample_report(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
