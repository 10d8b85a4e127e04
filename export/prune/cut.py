"""From a trained network to a smaller one with the weights that stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_pruning.ops import module2type
from torch_pruning.pruner.function import PrunerBox

from edgeneuro.errors import InputError
from edgeneuro.export.prune.allocate import Allocation
from edgeneuro.export.prune.costs import costs_of
from edgeneuro.export.prune.coupling import BatchNorm, Slot
from edgeneuro.export.prune.importance import by_channel, importances, is_depthwise
from edgeneuro.export.prune.segments import segments_of
from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.models.surgery import Surgery, operate, surgery_of

Removed = Mapping[Slot, list[int]]
"""Slot -> channels that go."""
AGREEMENT = 1e-3
"""Largest difference of outputs, relative to the largest output, that rounding may make; exchanged channels make far more."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """network: in evaluation mode; plain layers. surgery: from the builder's network to it. macs, params: before and after.
    widths: layer -> output channels before and after, where they differ."""

    network: nn.Module
    surgery: Surgery
    macs: tuple[int, int]
    params: tuple[int, int]
    widths: dict[str, tuple[int, int]]


def cut(
    network: nn.Module,
    built: nn.Module,
    settings: CutSettings,
    *,
    example: Tensor,
    batches: Iterable[tuple[Tensor, Tensor]] = (),
    surgery: Surgery | None = None,
) -> Cut:
    """Take channels from `network` until at most settings.target_macs of its multiply-accumulates are left.

    Never cut are the image's channels, the network's outputs, and the filters of the layers that see the image (with padded
    shortcuts: these channels in every block); what feeds the last layer may go. network: trained, unchanged. built: fresh from
    the builder, as `surgery_of` compares with. example: (2, channel, height, width) of zeros, the input. batches: images and
    class numbers of training frames, for importance "taylor" alone. surgery: what `network` had gone through before.

    Raises UsageError where the target cannot be reached with these guards and multiples, naming the least that can; InputError
    where the network cannot be traced, or would not be the same network without the channels.
    """
    earlier = Surgery() if surgery is None else surgery
    smaller = deepcopy(network).eval().requires_grad_(True)
    before = costs_of(smaller, example)
    operate(smaller, Surgery(removed=settings.removed))
    costs = costs_of(smaller, example) if settings.removed else before
    segments = [part for part in segments_of(smaller, example, settings) if not part.fixed]
    scores = importances(smaller, segments, settings.importance, batches)
    allocation = Allocation(segments=segments, scores=scores, costs=costs, multiple=settings.round_to)
    gone = allocation.solve(int(settings.target_macs * before.macs))
    removed: dict[Slot, list[int]] = defaultdict(list)
    for segment, channels in zip(segments, gone, strict=True):
        for slot, places in segment.places.items() if len(channels) else ():
            removed[slot] += places[channels].flatten().tolist()
    promised = costs.without({slot: len(channels) for slot, channels in removed.items()})
    silent = _silenced(smaller, removed)
    _remove(smaller, removed)
    after = costs_of(smaller, example)
    assert (after.macs, after.params) == promised, f"promised {promised}, got {(after.macs, after.params)}"
    _check_same(smaller, silent, example)
    return Cut(
        network=smaller,
        surgery=surgery_of(smaller, built, removed=(*earlier.removed, *settings.removed), ranks=earlier.ranks),
        macs=(before.macs, after.macs),
        params=(before.params, after.params),
        widths={
            name: (before.layers[name].outputs, cost.outputs)
            for name, cost in after.layers.items()
            if before.layers[name].outputs != cost.outputs
        },
    )


def _remove(network: nn.Module, removed: Removed) -> None:
    """In place, with Torch-Pruning's functions."""
    for slot, channels in removed.items():
        layer = network.get_submodule(slot.layer)
        pruner = PrunerBox[module2type(layer)]
        (pruner.prune_out_channels if slot.side == "outputs" else pruner.prune_in_channels)(layer, channels)


@torch.no_grad()
def _silenced(network: nn.Module, removed: Removed) -> nn.Module:
    """A copy of the old widths in which no layer makes or reads the channels."""
    silent = deepcopy(network)
    for slot, channels in removed.items():
        layer = silent.get_submodule(slot.layer)
        for name, values in layer.named_parameters():
            if name == "weight" and not isinstance(layer, BatchNorm) and not is_depthwise(layer):
                by_channel(layer, values, slot.side)[channels] = 0.0
            elif slot.side == "outputs":
                values[channels] = 0.0
    return silent


@torch.no_grad()
def _check_same(smaller: nn.Module, silent: nn.Module, example: Tensor) -> None:
    """Whether the graph had named the right channels: raise InputError where the two networks differ on random images."""
    images = torch.rand(example.shape, generator=torch.Generator().manual_seed(0)).to(example)
    try:
        found, expected = smaller(images), silent(images)
    except (RuntimeError, ValueError, InputError) as error:
        raise InputError(
            f"network: does not run without these channels ({str(error).splitlines()[0]}); guard them"
        ) from error
    if found.shape != expected.shape or not (found - expected).abs().max() <= AGREEMENT * expected.abs().max():
        raise InputError(
            "network: without these channels it computes something else than with zeros in their place, so it exchanges "
            "channels in a way that was not recognised; guard the layers concerned"
        )
