"""report.json read back, one measurement or several merged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from edgeneuro.benchmarks.document import SCHEMA, Report
from edgeneuro.errors import InputError
from edgeneuro.records import from_json


def read_report(path: Path) -> Report:
    """One measurement. Raises InputError: unreadable, not JSON, of another version, a field wrong, or several merged."""
    found = read_reports(path)
    if len(found) > 1:
        raise InputError(f"{path}: holds {len(found)} measurements, expected one; give the report.json of one device")
    return found[0]


def read_reports(path: Path) -> tuple[Report, ...]:
    """One measurement, or all of a merged document. Raises InputError as read_report."""
    try:
        value = json.loads(path.read_bytes(), parse_constant=_no_number)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected a report.json of edgeneuro benchmark"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({error}); expected what edgeneuro benchmark --json prints") from error
    _check_schema(value, path)
    if "reports" not in value:
        return (_report(value, str(path)),)
    values = value["reports"]
    if not isinstance(values, list) or not values or set(value) != {"schema", "reports"}:
        raise InputError(
            f"{path}: expected schema and a list of reports and nothing else; merge the measurements again"
        )
    for i, one in enumerate(values):
        _check_schema(one, f"{path}.reports[{i}]")
    return tuple(_report(one, f"{path}.reports[{i}]") for i, one in enumerate(values))


def merge_reports(paths: Sequence[Path]) -> tuple[Report, ...]:
    """All measurements of all files, in order. Raises InputError as read_report, and where one comes twice."""
    found: dict[tuple[str, str], Path] = {}
    reports = []
    for path in paths:
        for report in read_reports(path):
            key = (report.device, report.date)
            if key in found:
                raise InputError(
                    f"{path}: {report.device} of {report.date} is in {found[key]} already, expected each measurement once; "
                    "leave one of the files out"
                )
            found[key] = path
            reports.append(report)
    return tuple(reports)


def _check_schema(value: Any, where: object) -> None:
    if not isinstance(value, dict) or "schema" not in value:
        raise InputError(f"{where}: has no field 'schema', expected a report.json of edgeneuro benchmark")
    schema = value["schema"]
    if schema == SCHEMA and type(schema) is int:
        return
    newer = isinstance(schema, int) and schema > SCHEMA
    remedy = "upgrade edgeneuro" if newer else "measure again with this version"
    raise InputError(f"{where}: has schema {schema!r}, this edgeneuro reads {SCHEMA}; {remedy}")


def _report(value: Any, where: str) -> Report:
    report = from_json(Report, value, where)
    engines = _unique((engine.name for engine in report.engines), f"{where}.engines")
    rows = _unique((row.name for row in report.rows), f"{where}.rows")
    for row in report.rows:
        _expect_one_of(row.engine, engines, f"{where}: engine of row {row.name!r}")
        record = row.accuracy
        if record is not None and record.confusion:
            sides = {len(record.confusion), *map(len, record.confusion), len(record.classes)}
            if len(sides) > 1:
                raise InputError(f"{where}: confusion matrix of row {row.name!r} is not classes x classes")
    for pictured in report.pictured:
        _expect_one_of(pictured.row, rows, f"{where}: row of the pictures")
    for one in report.comparisons:
        _expect_one_of(one.row, rows, f"{where}: row of a comparison")
        _expect_one_of(one.reference, rows, f"{where}: reference of a comparison")
    return report


def _unique(names: Iterable[str], where: str) -> set[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{where}: {name!r} is there twice, expected each name once")
        seen.add(name)
    return seen


def _expect_one_of(name: str, known: set[str], where: str) -> None:
    if name not in known:
        raise InputError(f"{where}: got {name!r}, expected one of {', '.join(map(repr, sorted(known)))}")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
