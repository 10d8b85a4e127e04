"""From a name in the model table to a network."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import nn

from edgeneuro.errors import InputError
from edgeneuro.models import model_entry


def build_model(name: str, *, classes: int, channels: int, **options: Any) -> nn.Module:
    """A network with fresh weights, drawn from torch's global generator.

    classes: outputs. channels: of the input. options: the builder's own, over those of the table.
    Raises InputError for an unknown model or option.
    """
    entry = model_entry(name)
    module, function = entry.builder.split(":")
    builder = getattr(import_module(module), function)
    try:
        network: nn.Module = builder(classes=classes, channels=channels, **{**entry.options, **options})
    except TypeError as error:
        raise InputError(f"model {name!r}: options {options} do not fit its builder ({error})") from error
    return network


def parameters(network: nn.Module) -> int:
    """Trainable numbers, batch normalisation included."""
    return sum(tensor.numel() for tensor in network.parameters())
