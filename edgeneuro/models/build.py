"""From a name in the model table to a network."""

from __future__ import annotations

from copy import deepcopy
from importlib import import_module
from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from edgeneuro.errors import InputError
from edgeneuro.models import model_entry


def build_model(name: str, *, classes: int, channels: int, **options: Any) -> nn.Module:
    """A network with fresh weights, drawn from torch's global generator.

    classes: outputs. channels: of the input. options: the builder's own.
    Raises InputError for an unknown model or option.
    """
    module, function = model_entry(name).builder.split(":")
    builder = getattr(import_module(module), function)
    known = [option for option in signature(builder).parameters if option not in ("classes", "channels")]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InputError(f"model {name!r}: has no option {unknown[0]!r}, expected {' or '.join(known) or 'none'}")
    try:
        network: nn.Module = builder(classes=classes, channels=channels, **options)
    except TypeError as error:
        raise InputError(f"model {name!r}: got options {options}, which do not fit ({error})") from error
    return network


def parameters(network: nn.Module) -> int:
    """Trainable numbers, batch normalisation included."""
    return sum(tensor.numel() for tensor in network.parameters())


def multiply_accumulates(network: nn.Module, channels: int, height: int, width: int) -> int:
    """Of convolutions and fully connected layers, for one frame (1, channels, height, width) in evaluation mode.

    Counted from shapes alone, on a copy: nothing is computed and `network` stays as it is.
    """
    shapes = deepcopy(network).to("meta").eval()
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        shapes(torch.empty(1, channels, height, width))
    flops: int = counter.get_total_flops()
    return flops // 2
