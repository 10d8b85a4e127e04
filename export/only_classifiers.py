"""Refusing networks that find where things are, or that take responses of neurons, for what is made for classifiers of frames."""

from __future__ import annotations

from edgeneuro.errors import UsageError
from edgeneuro.models import model_entry


def refuse_masks(model: str, option: str, remedy: str) -> None:
    """model: name in the model table. option: what was asked for, e.g. "--qat". remedy: what to do instead. Raises UsageError."""
    if model_entry(model).masks:
        raise UsageError(f"{option}: got {model}, which finds where things are, expected a classifier; {remedy}")


def refuse_responses(model: str, option: str, remedy: str) -> None:
    """The same for networks that take responses of neurons. Raises UsageError."""
    if model_entry(model).responses:
        raise UsageError(
            f"{option}: got {model}, which takes responses of neurons, expected a network for frames; {remedy}"
        )
