"""From a name in the model table to a network."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from importlib import import_module
from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from edgeneuro.errors import InputError
from edgeneuro.models import model_entry

OF_THE_DATA = ("classes", "channels", "neurons", "most")
"""Arguments of builders that follow from the data, no options."""


def build_model(name: str, *, classes: int, channels: int, **options: Any) -> nn.Module:
    """A network for frames with fresh weights, drawn from torch's global generator.

    classes: outputs. channels: of the input. options: the builder's own.
    Raises InputError for an unknown model or option.
    """
    return _build(name, {"classes": classes, "channels": channels}, options)


def build_decoder(name: str, *, classes: int, sizes: Mapping[str, int], **options: Any) -> nn.Module:
    """The same for responses of neurons. sizes: what the builder takes of their session, neurons and perhaps most."""
    return _build(name, {"classes": classes, **sizes}, options)


def _build(name: str, given: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    module, function = model_entry(name).builder.split(":")
    builder = getattr(import_module(module), function)
    known = [option for option in signature(builder).parameters if option not in OF_THE_DATA]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InputError(f"model {name!r}: has no option {unknown[0]!r}, expected {' or '.join(known) or 'none'}")
    try:
        network: nn.Module = builder(**given, **options)
    except TypeError as error:
        raise InputError(f"model {name!r}: got options {dict(options)}, which do not fit ({error})") from error
    return network


def parameters(network: nn.Module) -> int:
    """Trainable numbers, batch normalisation included."""
    return sum(tensor.numel() for tensor in network.parameters())


def multiply_accumulates(network: nn.Module, *sizes: int) -> int:
    """Of convolutions and fully connected layers, for one input (1, *sizes), of frames channels, height, width, in evaluation mode.

    Counted from shapes alone, on a copy: nothing is computed and `network` stays as it is.
    """
    shapes = deepcopy(network).to("meta").eval()
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        shapes(torch.empty(1, *sizes))
    flops: int = counter.get_total_flops()
    return flops // 2
