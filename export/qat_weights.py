"""Between a torch network and the weights of its exported graph, in which batch normalisation is folded away."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs
from edgeneuro.export.forms import WEIGHTED
from edgeneuro.spec import Float32

Layer = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
Norm = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Where the graph's constants lie in the network.

    owners: constant of the graph -> parameter of the network that takes its value. folded: layer -> the batch
    normalisation that is part of its weights in the graph.
    """

    owners: Mapping[str, str]
    folded: Mapping[str, str]


def find_weights(network: nn.Module, model: onnx.ModelProto, example: torch.Tensor) -> Weights:
    """By the names the exporter keeps, and by which layer's output each batch normalisation is given.

    example: one input, to follow the network with.
    """
    parameters = {name for name, _ in network.named_parameters()}
    constants = graphs.initializers(model.graph)
    norms = _norms_behind(network, example)
    kept = {name.rpartition(".")[0] for name in constants if name in parameters}  # modules with a constant of their own
    folded = {layer: norm for layer, norm in norms.items() if norm not in kept}
    owners = {name: name for name in constants if name in parameters}
    for node in model.graph.node:
        if node.op_type not in WEIGHTED or len(node.input) < 3 or node.input[1] not in parameters:
            continue
        layer = node.input[1].rpartition(".")[0]
        if node.input[2] in constants:
            own = f"{layer}.bias"
            owners[node.input[2]] = own if own in parameters else f"{folded[layer]}.bias"
    return Weights(owners=owners, folded=folded)


def _norms_behind(network: nn.Module, example: torch.Tensor) -> dict[str, str]:
    """Layer -> the batch normalisation that reads its output, by running `example` through."""
    made: dict[int, tuple[str, torch.Tensor]] = {}  # the tensor is kept, so that its id stays its own
    found: dict[str, str] = {}

    def remember(name: str) -> Any:
        return lambda module, inputs, output: made.update({id(output): (name, output)})

    def look_up(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            if id(inputs[0]) in made:
                found[made[id(inputs[0])][0]] = name

        return hook

    handles = []
    for name, module in network.named_modules():
        if isinstance(module, Layer):
            handles.append(module.register_forward_hook(remember(name)))
        elif isinstance(module, Norm):
            handles.append(module.register_forward_pre_hook(look_up(name)))
    try:
        with torch.no_grad():
            network.eval()(example)
    finally:
        for handle in handles:
            handle.remove()
    return found


def with_weights(network: nn.Module, weights: Weights, values: Mapping[str, Float32]) -> nn.Module:
    """A copy of `network` that exports to a graph with `values`.

    A folded batch normalisation becomes neutral: weight sqrt(variance + epsilon), mean 0, variance 1, so that folding
    it again multiplies by exactly 1; its bias is the graph's, or 0 where the layer in front has a bias to hold that.
    """
    copied = copy.deepcopy(network).eval()
    modules = dict(copied.named_modules())
    with torch.no_grad():
        for norm in weights.folded.values():
            _neutralise(modules[norm])
        targets = dict(copied.named_parameters())
        for name, value in values.items():
            target = targets[weights.owners[name]]
            target.copy_(torch.from_numpy(np.array(value)).reshape(target.shape))
    return copied


def _neutralise(norm: nn.Module) -> None:
    assert isinstance(norm, Norm) and norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
    norm.bias.zero_()


def check_same_graph(trained: onnx.ModelProto, exported: onnx.ModelProto, values: Mapping[str, Float32]) -> None:
    """Raise ModelFileError unless `exported` is the graph that was trained, to the bit: names, operators, `values`."""
    shapes = [
        [(node.op_type, node.name, tuple(node.input), tuple(node.output)) for node in model.graph.node]
        for model in (trained, exported)
    ]
    if shapes[0] != shapes[1]:
        differing = next((one for one, two in zip(*shapes, strict=False) if one != two), shapes[0][-1])
        raise ModelFileError(
            f"trained network: exports to another graph than the one that was trained (first at node {differing[1]!r}); "
            "please report this with the checkpoint"
        )
    constants = graphs.initializers(exported.graph)
    for name, value in {**graphs.initializers(trained.graph), **values}.items():
        if not np.array_equal(constants[name], value):
            raise ModelFileError(
                f"trained network: constant {name!r} comes out of the export with other values than were trained; "
                "please report this with the checkpoint"
            )
