"""docs/schemas/benchmark.schema.json describes exactly what is written."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edgeneuro.benchmarks import document as records
from edgeneuro.benchmarks.report.write import document
from edgeneuro.manifest import Compute, Interval, LayerCost
from tests.benchmarks.documents import sample_report

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "benchmark.schema.json").read_text("utf-8"))
RECORDS = [
    kind for kind in vars(records).values() if dataclasses.is_dataclass(kind) and kind not in (Compute, Interval)
] + [Compute, Interval, LayerCost]


def validate(value: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(value)


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_a_report_and_a_merged_document_are_valid() -> None:
    validate(plain(document([sample_report()])))
    validate(plain(document([sample_report(), sample_report(device="board")])))


def test_what_is_not_in_the_schema_is_refused() -> None:
    changes: list[dict[str, Any]] = [{"mood": "good"}, {"schema": 1}, {"quiet": None}, {"rows": {}}, {"reports": []}]
    for change in changes:
        with pytest.raises(jsonschema.ValidationError):
            validate(plain({**document([sample_report()]), **change}))
    both = plain(document([sample_report(), sample_report(device="board")]))
    del both["reports"][1]["rows"][0]["chosen"]
    with pytest.raises(jsonschema.ValidationError, match="chosen"):
        validate(both)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_every_record_has_its_fields_in_the_schema_and_no_others(kind: Any) -> None:
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    described = SCHEMA["$defs"][name]
    fields = [field.name for field in dataclasses.fields(kind)]
    assert list(described["properties"]) == described["required"] == fields
    assert described["additionalProperties"] is False
