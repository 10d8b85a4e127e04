"""What a network costs once channels are gone, without cutting it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from edgeneuro.export.prune.coupling import Slot
from edgeneuro.export.prune.importance import is_depthwise
from edgeneuro.models.build import parameters


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """macs: of one sample. weights: numbers that grow with inputs times outputs; vectors: with outputs alone. inputs: 1 where
    each output has an input of its own."""

    macs: int
    weights: int
    vectors: int
    inputs: int
    outputs: int


@dataclass(frozen=True, kw_only=True)
class Costs:
    """layers: by name. macs, params: of the whole network."""

    layers: Mapping[str, LayerCost]
    macs: int
    params: int

    def width(self, slot: Slot) -> int:
        """Channels of the layer on this side."""
        layer = self.layers[slot.layer]
        return layer.outputs if slot.side == "outputs" else layer.inputs

    def without(self, lost: Mapping[Slot, int]) -> tuple[int, int]:
        """Multiply-accumulates of one sample and parameters once so many channels are gone."""
        macs, params = self.macs, self.params
        for name in {slot.layer for slot in lost}:
            layer = self.layers[name]
            inputs = layer.inputs - lost.get(Slot(name, "inputs"), 0)
            outputs = layer.outputs - lost.get(Slot(name, "outputs"), 0)
            whole, left = layer.inputs * layer.outputs, inputs * outputs
            macs -= layer.macs - layer.macs * left // whole
            params -= layer.weights - layer.weights * left // whole
            params -= layer.vectors - layer.vectors * outputs // layer.outputs
        return macs, params


def costs_of(network: nn.Module, example: Tensor) -> Costs:
    """Counted without numbers, on a copy. example: (batch, channel, height, width), of which only the shape counts."""
    network, example = deepcopy(network).to("meta").eval(), example.to("meta")
    macs = dict.fromkeys((name for name, _ in network.named_modules()), 0)

    def add(name: str, positions: int, layer: nn.Module) -> None:
        macs[name] += positions * prod(layer.get_parameter("weight").shape[1:]) // len(example)

    for name, layer in network.named_modules():
        if isinstance(layer, nn.ConvTranspose2d):
            layer.register_forward_hook(lambda layer, given, _, name=name: add(name, given[0].numel(), layer))
        elif isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(lambda layer, _, made, name=name: add(name, made.numel(), layer))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(example)
    layers = {name: cost for name, layer in network.named_modules() if (cost := _layer_cost(layer, macs[name]))}
    total: int = counter.get_total_flops() // 2 // len(example)
    return Costs(layers=layers, macs=total, params=parameters(network))


def _layer_cost(layer: nn.Module, macs: int) -> LayerCost | None:
    params = sum(tensor.numel() for tensor in layer.parameters())
    match layer:
        case nn.Conv2d() | nn.ConvTranspose2d():
            inputs, outputs = 1 if is_depthwise(layer) else layer.in_channels, layer.out_channels
        case nn.Linear():
            inputs, outputs = layer.in_features, layer.out_features
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            return LayerCost(macs=0, weights=0, vectors=params, inputs=1, outputs=layer.num_features)
        case _:
            return None
    weights = layer.weight.numel()
    return LayerCost(macs=macs, weights=weights, vectors=params - weights, inputs=inputs, outputs=outputs)
