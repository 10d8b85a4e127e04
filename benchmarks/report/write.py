"""report.json, report.md and report.html, each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeneuro.benchmarks.document import SCHEMA, Report
from edgeneuro.benchmarks.report.blocks import Page
from edgeneuro.benchmarks.report.html import check_html, html
from edgeneuro.benchmarks.report.markdown import markdown
from edgeneuro.benchmarks.report.page import page
from edgeneuro.benchmarks.report.pictures import NONE, Pictures
from edgeneuro.files import canonical_json, refuse_existing, write_bytes
from edgeneuro.records import to_json

NAMES = ("report.json", "report.md", "report.html")


def check_report(folder: Path, force: bool = False) -> None:
    """To be called before anything long: raises InputError where report.html cannot be made here, OutputError where a report
    is in `folder` already and `force` is not given."""
    check_html()
    for name in NAMES:
        refuse_existing(folder / name, force=force)


def write_report(report: Report, folder: Path, *, pictures: Pictures = NONE, force: bool = False) -> tuple[Path, ...]:
    """The three files, below `folder`. pictures: of the frames that the report names. Raises as check_report does, and OutputError
    where they cannot be written."""
    check_report(folder, force)
    return _write((report,), page((report,), pictures), folder)


def write_reports(reports: Sequence[Report], folder: Path, *, force: bool = False) -> tuple[Path, ...]:
    """Of several devices together; a single report is written as itself. Raises as write_report."""
    check_report(folder, force)
    return _write(reports, page(reports), folder)


def _write(reports: Sequence[Report], made: Page, folder: Path) -> tuple[Path, ...]:
    contents = (canonical_json(document(reports)), markdown(made).encode(), html(made).encode())
    paths = tuple(folder / name for name in NAMES)
    for path, content in zip(paths, contents, strict=True):
        write_bytes(path, content)
    return paths


def document(reports: Sequence[Report]) -> dict[str, Any]:
    """JSON as docs/schemas/benchmark.schema.json describes it."""
    if len(reports) == 1:
        (report,) = reports
        single: dict[str, Any] = to_json(report)
        return single
    return {"schema": SCHEMA, "reports": [to_json(report) for report in reports]}
