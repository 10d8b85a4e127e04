"""Fixtures for commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.runtime.bundles import write_bundle

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"

Validate = Callable[[str, Any], None]


@pytest.fixture
def edge(tmp_path: Path) -> Path:
    """A tiny float bundle."""
    return write_bundle(tmp_path / "tiny.edge")


@pytest.fixture
def validate() -> Validate:
    """Checks a JSON value against docs/schemas/NAME.schema.json."""

    def check(name: str, value: Any) -> None:
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft202012Validator(schema).validate(value)

    return check
