"""How much a channel matters, from its weights or from what the loss would lose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeneuro.errors import InputError, UsageError
from edgeneuro.export.prune.coupling import BatchNorm, Side, Slot
from edgeneuro.export.prune.segments import Segment
from edgeneuro.export.prune.settings import Importance

Floats = NDArray[np.float64]
Table = Mapping[Slot, Tensor]
"""Slot -> a number for each channel of the layer."""


def importances(
    network: nn.Module,
    segments: Sequence[Segment],
    importance: Importance,
    batches: Iterable[tuple[Tensor, Tensor]] = (),
) -> list[Floats]:
    """(channel,) for each segment, smallest goes first; each divided by its mean, so that segments can be compared.

    "group": squared weights of a channel in all layers that have it, mean over the layers (Fang et al. 2023, arXiv:2301.12900).
    "magnitude": absolute weights in the layers that make it (Li et al. 2017, arXiv:1608.08710). "batch-norm": absolute scale of
    its normalisations (Liu et al. 2017, arXiv:1708.06519), magnitude where there is none. "taylor": squared change of the loss,
    to first order, if no layer could read the channel any more: (sum of weight x gradient over the layers that read it)^2, mean
    over `batches` (Molchanov et al. 2019, arXiv:1906.10771); loss is the cross-entropy.

    Raises UsageError for "taylor" without batches and for "batch-norm" where nothing is normalised; InputError for weights or
    gradients that are not finite.
    """
    match importance:
        case "group":
            table = _squares(network)
            raw = [_mean(segment, table) for segment in segments]
        case "magnitude":
            table = _makers(network)
            raw = [_mean(segment, table) for segment in segments]
        case "batch-norm":
            raw = _normalisations(network, segments)
        case "taylor":
            raw = _taylor(network, segments, batches)
    for values in raw:
        if not np.isfinite(values).all():
            raise InputError(f"importance {importance}: is not finite; the network was not trained to an end")
    return [values / (values.mean() or 1.0) for values in raw]


def _mean(segment: Segment, table: Table) -> Floats:
    """(channel,): mean over the slots that are in `table`; empty sums are 0."""
    found = _sums(segment, table)
    return np.mean(found, axis=0) if found else np.zeros(len(segment))


def _sums(segment: Segment, table: Table) -> list[Floats]:
    return [
        table[slot].double().cpu().numpy()[indices].sum(axis=1)
        for slot, indices in segment.places.items()
        if slot in table
    ]


def by_channel(layer: nn.Module, values: Tensor, side: Side) -> Tensor:
    """A view, (channel, ...), of `values`, which are shaped as the layer's weight; depthwise channels are outputs."""
    dim = 0 if side == "outputs" else 1
    if isinstance(layer, nn.ConvTranspose2d) and layer.groups == 1:
        dim = 1 - dim
    return values.movedim(dim, 0)


def is_depthwise(layer: nn.Module) -> bool:
    """One filter a channel."""
    return isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) and layer.groups == layer.out_channels > 1


def _dense(network: nn.Module) -> dict[str, nn.Conv2d | nn.ConvTranspose2d | nn.Linear]:
    """Layers that read every input channel for every output channel."""
    return {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and not is_depthwise(layer)
    }


def _squares(network: nn.Module) -> Table:
    sides: tuple[Side, ...] = ("outputs", "inputs")
    table = {
        Slot(name, side): by_channel(layer, layer.weight.detach().square(), side).flatten(1).sum(1)
        for name, layer in _dense(network).items()
        for side in sides
    }
    for name, layer in network.named_modules():
        if is_depthwise(layer) or (isinstance(layer, BatchNorm) and layer.affine):
            weight = layer.get_parameter("weight").detach().square()
            table[Slot(name, "outputs")] = weight.reshape(len(weight), -1).sum(1)
    return table


def _makers(network: nn.Module) -> Table:
    return {
        Slot(name, "outputs"): by_channel(layer, layer.weight.detach().abs(), "outputs").flatten(1).sum(1)
        for name, layer in _dense(network).items()
    }


def _normalisations(network: nn.Module, segments: Sequence[Segment]) -> list[Floats]:
    table = {
        Slot(name, "outputs"): layer.weight.detach().abs()
        for name, layer in network.named_modules()
        if isinstance(layer, BatchNorm) and layer.affine
    }
    if not table:
        raise UsageError("--importance batch-norm: this network has no batch normalisation, take group or magnitude")
    makers = _makers(network)
    return [_mean(segment, table if table.keys() & segment.places.keys() else makers) for segment in segments]


def _taylor(network: nn.Module, segments: Sequence[Segment], batches: Iterable[tuple[Tensor, Tensor]]) -> list[Floats]:
    layers = _dense(network)
    weights = [layer.weight for layer in layers.values()]
    totals, seen = [np.zeros(len(segment)) for segment in segments], 0
    for images, classes in batches:
        with torch.enable_grad():
            loss = F.cross_entropy(network(images), classes)
            gradients = torch.autograd.grad(loss, weights, materialize_grads=True)
        products = ((weight * gradient).detach() for weight, gradient in zip(weights, gradients, strict=True))
        table = {
            Slot(name, "inputs"): by_channel(layer, product, "inputs").flatten(1).sum(1)
            for (name, layer), product in zip(layers.items(), products, strict=True)
        }
        for total, segment in zip(totals, segments, strict=True):
            total += np.sum(_sums(segment, table), axis=0) ** 2
        seen += 1
    if not seen:
        raise UsageError("--importance taylor: needs training frames, got none")
    return [total / seen for total in totals]
