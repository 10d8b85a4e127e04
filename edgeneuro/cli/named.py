"""Options of the form NAME=VALUE."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from edgeneuro.errors import InputError, UsageError

if TYPE_CHECKING:
    from edgeneuro.drawing import Drawing
    from edgeneuro.training.settings import MaskSettings, SelfCureSettings, SiameseSettings

Record = TypeVar("Record")


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
    from edgeneuro.training.settings import SiameseSettings

    return _record(SiameseSettings, given, "--siamese", "gamma=0")


def self_cure_settings(given: list[str]) -> SelfCureSettings:
    """From ["margin=0.1", "weights=true"]. Raises UsageError for a name or value that is none."""
    from edgeneuro.training.settings import SelfCureSettings

    return _record(SelfCureSettings, given, "--self-cure", "margin=0.1")


def mask_settings(given: list[str]) -> MaskSettings:
    """From ["centreline_weight=0.3"]. Raises UsageError for a name or value that is none."""
    from edgeneuro.training.settings import MaskSettings

    return _record(MaskSettings, given, "--masks", "centreline_weight=0.3")


def drawing_settings(given: list[str]) -> Drawing:
    """From ["view=xyz", "variant=raw"]. Raises UsageError for a name or value that is none."""
    from edgeneuro.drawing import Drawing

    return _record(Drawing, given, "--drawing", "view=xyz")


def _record(kind: type[Record], given: list[str], option: str, example: str) -> Record:
    from edgeneuro.records import from_json

    try:
        return from_json(kind, dict(parse_option(text, option, example) for text in given), option)
    except InputError as error:
        raise UsageError(str(error)) from error
