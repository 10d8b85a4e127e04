"""Which channels must go together: the network traced by Torch-Pruning's dependency graph, walked channel by channel.

Source: Fang et al. 2023, DepGraph, arXiv:2301.12900. The graph says how a channel of one layer appears in the next; from
it a channel's whole set is collected here at once, so that sets that overlap in part (channels that only later blocks of a
network with padded shortcuts have) come apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, Literal, NamedTuple

import torch
import torch_pruning as tp
from torch import Tensor, nn
from torch_pruning.ops import OPTYPE

from edgeneuro.errors import InputError

Convolution = nn.Conv2d | nn.ConvTranspose2d
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d
Side = Literal["outputs", "inputs"]


class Slot(NamedTuple):
    """One side of one layer. Layers whose input channel i is output channel i (depthwise convolutions, batch
    normalisation) have `outputs` alone."""

    layer: str
    side: Side


class Place(NamedTuple):
    """One channel of a slot."""

    slot: Slot
    channel: int


class Coupled(NamedTuple):
    """Channels that can only go together. fixed: why they must stay, empty where they need not."""

    places: frozenset[Place]
    fixed: str


class _Channel(NamedTuple):
    """As Torch-Pruning's index mappings expect it: channel `idx` here, reached from channel `root_idx` of the root."""

    idx: int
    root_idx: int


Key = tuple[Any, Callable[..., Any]]
"""A node of the graph and the pruning function called there."""
MAKERS = (OPTYPE.CONV, OPTYPE.DEPTHWISE_CONV, OPTYPE.LINEAR)
OPERATIONS = (
    OPTYPE.ELEMENTWISE,
    OPTYPE.CONCAT,
    OPTYPE.SPLIT,
    OPTYPE.RESHAPE,
    OPTYPE.UNBIND,
    OPTYPE.SLICE,
    OPTYPE.OUTPUT,
)
"""Without weights."""


def coupled_channels(network: nn.Module, example: Tensor) -> Iterator[Coupled]:
    """Every output channel of every convolution and linear layer, in one set each.

    Fixed are the network's outputs, the channels of the layers that see the image, and whatever passes a layer that
    edgeneuro.models.surgery cannot make smaller. example: (batch, channel, height, width), of which only the shape counts.
    Raises InputError where tracing fails.
    """
    graph = _graph(network, example)
    names = {module: name for name, module in graph.model.named_modules()}
    covered: set[Place] = set()
    for module, node in graph.module2node.items():
        if node.type not in MAKERS:
            continue
        slot = Slot(names[module], "outputs")
        pruner = graph.get_pruner_of_module(module)
        new = [i for i in range(pruner.get_out_channels(module)) if Place(slot, i) not in covered]
        reached = _reach(node, pruner.prune_out_channels, new)
        astray = "the graph loses track of them" if _astray(graph, reached) else ""
        for part in _united(reached):
            found = _coupled(graph, names, part)
            covered |= found.places
            yield found._replace(fixed=found.fixed or astray)


def _graph(network: nn.Module, example: Tensor) -> Any:
    """Traced without numbers, on a copy."""
    try:
        with torch.enable_grad():
            graph = tp.DependencyGraph().build_dependency(
                deepcopy(network).to("meta").eval().requires_grad_(True), example.to("meta"), verbose=False
            )
    except (RuntimeError, AttributeError, TypeError, NotImplementedError) as error:
        raise InputError(f"network: cannot be traced for pruning ({str(error).splitlines()[0]})") from error
    for node in list(graph.module2node.values()):
        if "constantpadnd" in type(node.grad_fn).__name__.lower():
            _map_padding(node)
    return graph


class _Padded:
    """Channel i of a tensor is channel i + before once channels of zeros are padded; `channels` of them are its own."""

    def __init__(self, before: int, channels: int, *, back: bool) -> None:
        self.shift = -before if back else before
        self.kept = range(before, before + channels) if back else range(channels)

    def __call__(self, channels: Iterable[_Channel]) -> list[_Channel]:
        return [_Channel(c.idx + self.shift, c.root_idx) for c in channels if c.idx in self.kept]


def _map_padding(node: Any) -> None:
    """Tell the graph about zeros padded as channels, which it takes for an operation that leaves channels alone."""
    (padded, *_), pad = node.grad_fn._input_metadata, node.grad_fn._saved_pad
    first = 2 * (len(padded.shape) - 2)
    before, after = pad[first : first + 2] or (0, 0)
    channels = padded.shape[1] - before - after
    for dependency in node.dependencies:
        if dependency.target in node.inputs:
            dependency.index_mapping.insert(0, _Padded(before, channels, back=True))
    for dependency in (d for given in node.inputs for d in given.dependencies if d.target is node):
        dependency.index_mapping.append(_Padded(before, channels, back=False))


def _reach(node: Any, function: Callable[..., Any], channels: Iterable[int]) -> dict[Key, set[_Channel]]:
    """Everything that must be pruned with `channels` of the root, and because of which of them."""
    reached: dict[Key, set[_Channel]] = defaultdict(set)
    waiting = [(node, function, [_Channel(i, i) for i in channels])]
    while waiting:
        node, function, arrived = waiting.pop()
        new = [channel for channel in arrived if channel not in reached[node, function]]
        if not new:
            continue
        reached[node, function].update(new)
        for dependency in node.dependencies:
            if dependency.is_triggered_by(function):
                passed: Any = new
                for mapping in dependency.index_mapping:
                    passed = passed if mapping is None else mapping(passed)
                waiting.append((dependency.target, dependency.handler, [_Channel(*channel) for channel in passed]))
    return reached


def _astray(graph: Any, reached: Mapping[Key, set[_Channel]]) -> bool:
    """Whether a channel is said to be one that its layer does not have, as after changes of shape."""
    for (node, function), channels in reached.items():
        pruner = graph.get_pruner_of_module(node.module)
        outputs = function == pruner.prune_out_channels
        width = (pruner.get_out_channels if outputs else pruner.get_in_channels)(node.module)
        if width is not None and any(channel.idx >= width for channel in channels):
            return True
    return False


def _united(reached: Mapping[Key, set[_Channel]]) -> Iterator[dict[Key, set[int]]]:
    """One mapping a set of root channels; channels of the root that meet anywhere belong together."""
    parent: dict[int, int] = {}

    def root_of(channel: int) -> int:
        while parent.setdefault(channel, channel) != channel:
            channel = parent[channel]
        return channel

    for channels in reached.values():
        met: dict[int, int] = {}
        for channel in channels:
            parent[root_of(channel.root_idx)] = root_of(met.setdefault(channel.idx, channel.root_idx))
    parts: dict[int, dict[Key, set[int]]] = defaultdict(lambda: defaultdict(set))
    for key, channels in reached.items():
        for channel in channels:
            parts[root_of(channel.root_idx)][key].add(channel.idx)
    yield from (parts[root] for root in sorted(parts))


def _coupled(graph: Any, names: Mapping[nn.Module, str], reached: Mapping[Key, set[int]]) -> Coupled:
    places: set[Place] = set()
    reasons: set[str] = set()
    for (node, function), indices in reached.items():
        module, outputs = node.module, function == graph.get_pruner_of_module(node.module).prune_out_channels
        if outputs and not node.outputs:
            reasons.add("they are the network's outputs")
        if isinstance(module, Convolution | nn.Linear | BatchNorm):
            places |= {Place(Slot(names[module], "outputs" if outputs else "inputs"), index) for index in indices}
            if isinstance(module, Convolution) and node.type != OPTYPE.DEPTHWISE_CONV and module.groups > 1:
                reasons.add(f"{names[module]} is a grouped convolution")
            if node.type in MAKERS and outputs and not node.inputs:
                reasons.add(f"{names[module]} sees the image")
        elif node.type not in OPERATIONS:
            reasons.add(f"{type(module).__name__} cannot be made smaller")
    return Coupled(frozenset(places), min(reasons, default=""))
