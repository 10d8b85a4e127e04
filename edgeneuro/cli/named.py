"""Options of the form NAME=VALUE."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgeneuro.errors import InputError, UsageError

if TYPE_CHECKING:
    from edgeneuro.training.settings import SiameseSettings


def parse_option(text: str, option: str = "--option", example: str = "attention=none") -> tuple[str, Any]:
    """("attention", "none") from "attention=none"; numbers, true and false are read as such. Raises UsageError."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UsageError(f"{option} {text!r}: expected NAME=VALUE, e.g. {example}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def siamese_settings(given: list[str]) -> SiameseSettings:
    """From ["gamma=0", "shared=true"]. Raises UsageError for a name or value that is none."""
    from edgeneuro.records import from_json
    from edgeneuro.training.settings import SiameseSettings

    values = dict(parse_option(text, "--siamese", "gamma=0") for text in given)
    try:
        return from_json(SiameseSettings, values, "--siamese")
    except InputError as error:
        raise UsageError(str(error)) from error
