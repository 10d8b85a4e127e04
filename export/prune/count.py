"""Parameters and multiply-accumulates of a torch network, as edgeneuro.export.compute counts those of its graph."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from edgeneuro.models.build import parameters


@dataclass(frozen=True, kw_only=True)
class Count:
    """macs: of one sample."""

    macs: int
    params: int


def count(network: nn.Module, example: Tensor) -> Count:
    """example: (batch, channel, height, width), any number of samples."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(example)
    return Count(macs=counter.get_total_flops() // 2 // len(example), params=parameters(network))
