"""docs/schemas/v1-report.schema.json describes exactly what is written."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edgeneuro.files import canonical_json
from edgeneuro.records import from_json, to_json
from edgeneuro.v1.dimension import Curve, GraphDimension
from edgeneuro.v1.dimension_table import DimensionTable, OtherDimensions, Overlay, PointsDimension, Row
from edgeneuro.v1.report import records
from edgeneuro.v1.variance_spectrum import PowerLaw
from tests.v1.small_reports import small_report

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "v1-report.schema.json").read_text("utf-8"))
KINDS = [
    *(kind for kind in vars(records).values() if dataclasses.is_dataclass(kind)),
    *(Curve, GraphDimension, DimensionTable, OtherDimensions, Overlay, PointsDimension, PowerLaw, Row),
]


def written() -> Any:
    return json.loads(canonical_json(to_json(small_report().document)))


def validate(value: Any) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(value)


def test_a_report_is_valid_and_reads_back_as_it_was() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validate(written())
    assert from_json(records.Document, written(), "report.json") == small_report().document


def test_what_is_not_in_the_schema_is_refused() -> None:
    short = written()
    changes: list[dict[str, Any]] = [{"mood": "good"}, {"schema": 2}, {"session": None}, {"decoding": {}}]
    for change in changes:
        with pytest.raises(jsonschema.ValidationError):
            validate({**short, **change})
    del short["decoding"][0]["protocol"]
    with pytest.raises(jsonschema.ValidationError, match="protocol"):
        validate(short)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_record_has_its_fields_in_the_schema_and_no_others(kind: Any) -> None:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    described = SCHEMA if kind is records.Document else SCHEMA["$defs"][name]
    fields = [field.name for field in dataclasses.fields(kind)]
    assert list(described["properties"]) == described["required"] == fields
    assert described["additionalProperties"] is False
