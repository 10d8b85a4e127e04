"""Parameters and multiply-accumulates of a torch network, as edgeneuro.export.compute counts those of its graph."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from edgeneuro.models.build import multiply_accumulates, parameters


@dataclass(frozen=True, kw_only=True)
class Count:
    """macs: of one sample."""

    macs: int
    params: int


def count(network: nn.Module, example: Tensor) -> Count:
    """example: (batch, channel, height, width), of which only the shape counts."""
    return Count(macs=multiply_accumulates(network, *example.shape[1:]), params=parameters(network))
