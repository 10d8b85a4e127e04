"""What distinguishes a compressed network from the one its builder makes: plain layers, fewer or smaller.

Nothing here prunes. A checkpoint keeps the record, and the network is made from it without the library that pruned.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from torch import Tensor, nn

from edgeneuro.errors import InputError

Convolution = nn.Conv2d | nn.ConvTranspose2d


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

    Convolutions keep their number of groups, depthwise ones get as many as they have channels. Raises InputError naming
    a block, layer or tensor that is not there or cannot take that shape.
    """
    for name in surgery.removed:
        if name not in removable_blocks(network):
            raise InputError(
                f"block {name!r}: cannot be left out, expected one of {', '.join(removable_blocks(network)) or 'none'}"
            )
        network.set_submodule(name, nn.Identity())
    for name, rank in surgery.ranks.items():
        layer = dict(network.named_modules()).get(name)
        if not isinstance(layer, nn.Linear):
            raise InputError(f"layer {name!r}: is not a linear layer of this network, so it has no rank")
        network.set_submodule(name, divided(layer, rank, name))
    for name, shapes in _by_layer(network, surgery.shapes).items():
        layer = network.get_submodule(name)
        for tensor, shape in shapes.items():
            _resize(layer, name, tensor, shape)
        _follow(layer, name)
    return network


def surgery_of(network: nn.Module, built: nn.Module, *, removed: tuple[str, ...], ranks: Mapping[str, int]) -> Surgery:
    """The record that turns `built`, fresh from the builder and left as it is, into a network of the shapes of `network`.

    Raises InputError where no such record does.
    """
    made = operate(deepcopy(built), Surgery(removed=removed, ranks=ranks))
    here, there = network.state_dict(), made.state_dict()
    if here.keys() != there.keys():
        strange = min(here.keys() ^ there.keys())
        raise InputError(
            f"tensor {strange!r}: is in one of the two networks only; expected blocks in `removed`, "
            "divided layers in `ranks`, and otherwise the same layers"
        )
    shapes = {name: tuple(value.shape) for name, value in here.items() if value.shape != there[name].shape}
    operate(made, Surgery(shapes=shapes))
    for name, layer in network.named_modules():
        if isinstance(layer, Convolution) and layer.groups != made.get_submodule(name).groups:
            raise InputError(
                f"layer {name!r}: has {layer.groups} groups, expected the {made.get_submodule(name).groups} that its "
                "shapes stand for"
            )
    return Surgery(removed=removed, ranks=dict(ranks), shapes=shapes)


def removable_blocks(network: nn.Module) -> tuple[str, ...]:
    """Names of blocks that can be left out: their input has the shape of their output and is added to it. A block says
    so itself by a property `removable`."""
    return tuple(name for name, block in network.named_modules() if name and getattr(block, "removable", False))


def divided(layer: nn.Linear, rank: int, name: str) -> nn.Sequential:
    """Two empty layers in place of `layer`: inputs -> rank without a bias, rank -> outputs with that of `layer`.

    name: of `layer`, for the error. Raises InputError for a rank below 1 or above the smaller side of the weights.
    """
    most = min(layer.in_features, layer.out_features)
    if not 1 <= rank <= most:
        raise InputError(f"layer {name!r}: got rank {rank}, expected 1 to {most}")
    device, dtype = layer.weight.device, layer.weight.dtype
    return nn.Sequential(
        nn.Linear(layer.in_features, rank, bias=False, device="meta", dtype=dtype),
        nn.Linear(rank, layer.out_features, bias=layer.bias is not None, device="meta", dtype=dtype),
    ).to_empty(device=device)


def _by_layer(network: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Layer -> tensor of it -> shape."""
    there = network.state_dict()
    layers: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        if name not in there:
            raise InputError(f"tensor {name!r}: is not in this network; was it made with other options?")
        layer, _, tensor = name.rpartition(".")
        layers.setdefault(layer, {})[tensor] = tuple(shape)
    return layers


def _resize(layer: nn.Module, name: str, tensor: str, shape: tuple[int, ...]) -> None:
    """Only the axes that count channels may shrink, the first two of a weight, not those of a kernel."""
    old: Tensor = getattr(layer, tensor)
    shrunk = len(shape) == old.ndim and all(0 < new <= size for new, size in zip(shape, old.shape, strict=True))
    if not shrunk or shape[2:] != old.shape[2:]:
        raise InputError(f"tensor {name}.{tensor}: got shape {shape}, expected {tuple(old.shape)} or fewer channels")
    new = old.detach().new_empty(shape)
    setattr(layer, tensor, nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new)


def _follow(layer: nn.Module, name: str) -> None:
    """Set the sizes that a layer keeps beside its tensors, and compare the tensors with one another."""
    match layer:
        case nn.Conv2d() | nn.ConvTranspose2d():
            outputs = _follow_weight(layer, name)
        case nn.Linear():
            layer.out_features, layer.in_features = layer.weight.shape
            outputs = layer.out_features
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            outputs = layer.num_features = next(len(value) for value in layer.state_dict().values() if value.ndim)
        case _:
            raise InputError(f"layer {name!r}: is a {type(layer).__name__}, which cannot be made smaller")
    for tensor, value in layer.state_dict().items():
        if value.ndim == 1 and len(value) != outputs:
            raise InputError(f"tensor {name}.{tensor}: has {len(value)} channels, expected the layer's {outputs}")


def _follow_weight(layer: Convolution, name: str) -> int:
    """Output channels of a convolution: (outputs, inputs / groups, ...) are its weights, (inputs, outputs / groups, ...) where
    it is transposed."""
    transposed = isinstance(layer, nn.ConvTranspose2d)
    first, second = layer.weight.shape[:2]
    if layer.groups == layer.in_channels > 1:  # depthwise
        layer.groups = first // ((layer.in_channels if transposed else layer.out_channels) // layer.groups)
    if layer.groups == 0 or first % layer.groups:
        raise InputError(f"tensor {name}.weight: got {first} channels, which the layer's groups do not divide")
    rest = second * layer.groups
    layer.in_channels, layer.out_channels = (first, rest) if transposed else (rest, first)
    return layer.out_channels
