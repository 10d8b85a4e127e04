"""report.json read back: what is refused, and with which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeneuro.benchmarks.report.read import merge_reports, read_report, read_reports
from edgeneuro.benchmarks.report.write import document
from edgeneuro.errors import InputError
from edgeneuro.files import write_json
from tests.benchmarks.documents import sample_report

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def value() -> dict[str, Any]:
    return document([sample_report()])


def saved(value: Any, path: Path) -> Path:
    write_json(path, value)
    return path


def test_a_report_comes_back_as_it_was(value: dict[str, Any], tmp_path: Path) -> None:
    assert read_report(saved(value, tmp_path / "a.json")) == sample_report()


def test_a_merged_document_comes_back_as_its_reports(tmp_path: Path) -> None:
    reports = (sample_report(), sample_report(device="board"))
    path = saved(document(reports), tmp_path / "both.json")
    assert read_reports(path) == reports
    with pytest.raises(InputError, match="holds 2 measurements, expected one"):
        read_report(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(schema=1), "has schema 1, this edgeneuro reads 2; measure again with this version"),
        (lambda v: v.update(schema=3), "has schema 3, this edgeneuro reads 2; upgrade edgeneuro"),
        (lambda v: v.update(schema=True), "has schema True"),
        (lambda v: v.pop("schema"), "has no field 'schema'"),
        (lambda v: v.pop("quiet"), "field 'quiet' is missing"),
        (lambda v: v.update(mood="good"), "unknown field 'mood'"),
        (lambda v: v["rows"][0].update(precision=8), r"rows\[0\].precision: got 8, expected text"),
        (lambda v: v["rows"][0].update(engine="lost.edge"), "got 'lost.edge', expected one of 'resnet18"),
        (lambda v: v["rows"][1].update(name=v["rows"][0]["name"]), "is there twice, expected each name once"),
        (lambda v: v["comparisons"][0].update(reference="nobody"), "reference of a comparison: got 'nobody'"),
        (lambda v: v["rows"][0]["accuracy"]["confusion"].pop(), "is not classes x classes"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: Change, said: str) -> None:
    value = document([sample_report()])
    change(value)
    path = saved(value, tmp_path / "wrong.json")
    with pytest.raises(InputError, match=said) as caught:
        read_report(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"# Report", "is not JSON"),
        (b"[1, 2]", "has no field 'schema'"),
        (b'{"schema": 2, "date": NaN}', "NaN is no number of JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b'{"schema": 2, "reports": []}', "expected schema and a list of reports"),
        (b'{"schema": 2, "reports": [{"schema": 1}]}', r"reports\[0\]: has schema 1"),
        (b'{"schema": 2, "reports": [{"schema": 2}], "more": 1}', "and nothing else"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_reports(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.json: cannot be read"):
        read_report(tmp_path / "gone.json")


def test_devices_are_merged_in_order_and_merged_files_once_more(value: dict[str, Any], tmp_path: Path) -> None:
    one = saved(value, tmp_path / "one.json")
    others = document([sample_report(device="board"), sample_report(device="laptop")])
    two = saved(others, tmp_path / "two.json")
    assert [report.device for report in merge_reports([two, one])] == ["board", "laptop", "bench-x86"]


def test_the_same_measurement_twice_is_refused(value: dict[str, Any], tmp_path: Path) -> None:
    paths = [saved(value, tmp_path / name) for name in ("a.json", "b.json")]
    with pytest.raises(InputError, match=r"b\.json: bench-x86 of 2026-11-24T09:30:00\+00:00 is in .*a\.json already"):
        merge_reports(paths)
    later = document([sample_report(date="2026-11-25T09:30:00+00:00")])
    assert len(merge_reports([paths[0], saved(later, paths[1])])) == 2
