"""What distinguishes a compressed network from the one its builder makes: plain layers, fewer or smaller.

Nothing here prunes. A checkpoint keeps the record, and the network is made from it without the library that pruned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn


@dataclass(frozen=True, kw_only=True)
class Surgery:
    """removed: blocks that now pass their input on. ranks: linear layer -> rank of the two layers it became.
    shapes: parameter or buffer -> its shape, for every one whose shape is not the builder's; names are those of
    state_dict, after blocks were removed and layers divided."""

    removed: tuple[str, ...] = ()
    ranks: Mapping[str, int] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def operate(network: nn.Module, surgery: Surgery) -> nn.Module:
    """`network`, as its builder made it, changed in place into what `surgery` describes; resized tensors are empty.

    Raises InputError naming a block, layer or tensor that is not there or cannot take that shape.
    """
    raise NotImplementedError


def surgery_of(network: nn.Module, built: nn.Module, *, removed: tuple[str, ...], ranks: Mapping[str, int]) -> Surgery:
    """The record that turns `built`, fresh from the builder, into a network of the shapes of `network`."""
    raise NotImplementedError


def removable_blocks(network: nn.Module) -> tuple[str, ...]:
    """Names of blocks that can be left out: their input has the shape of their output and is added to it. A block says
    so itself by a property `removable`."""
    raise NotImplementedError
