"""Which layers get a mask, masks by magnitude, and masks held while a network is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from edgeneuro.errors import UsageError
from edgeneuro.export.nncf_ranges import import_nncf, quiet_nncf
from edgeneuro.export.prune.names import under
from edgeneuro.export.prune.two_four import GROUP

Scope = Literal["layer", "network"]
Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
Masks = Mapping[str, Tensor]
"""Layer -> (output channel, input channel, ...) bool, False where its weight is zero."""


def choose_layers(
    network: nn.Module, example: Tensor, *, keep: tuple[str, ...] = (), fours: bool = False
) -> tuple[dict[str, Layer], dict[str, str]]:
    """Layers to mask, and those that stay dense with the reason, by name in registration order.

    network: in evaluation mode. example: an input. keep: prefixes of names. fours: leave out what TensorRT has no sparse
    kernel for. Raises UsageError for a `keep` that names no layer, and where none is left to mask.
    """
    layers = {name: module for name, module in network.named_modules() if isinstance(module, Layer)}
    for prefix in keep:
        if not any(under(name, prefix) for name in layers):
            raise UsageError(f"--keep {prefix}: no layer is called so, expected one of {', '.join(layers)}")
    reasons = {
        **({name: why for name, layer in layers.items() if (why := _no_fours(layer))} if fours else {}),
        **{name: "--keep" for name in layers if any(under(name, prefix) for prefix in keep)},
        **_ends(network, layers, example),
    }
    chosen = {name: layer for name, layer in layers.items() if name not in reasons}
    dense = {name: reasons[name] for name in layers if name in reasons}
    if not chosen:
        said = ", ".join(f"{name} ({why})" for name, why in dense.items())
        raise UsageError(f"no layer is left to mask: {said}; give fewer --keep, or --sparsity in place of --pattern")
    return chosen, dense


def _ends(network: nn.Module, layers: Mapping[str, Layer], example: Tensor) -> dict[str, str]:
    """The layers that read the input itself, and the one that runs last."""
    ran: list[tuple[str, bool]] = []

    def note(name: str, given: Tensor) -> None:
        ran.append((name, given is example))

    handles = [
        layer.register_forward_pre_hook(lambda _, given, name=name: note(name, given[0]))
        for name, layer in layers.items()
    ]
    try:
        with torch.no_grad():
            network(example)
    finally:
        for handle in handles:
            handle.remove()
    return {ran[-1][0]: "runs last", **{name: "reads the image" for name, reads in ran if reads}}


def _no_fours(layer: Layer) -> str:
    """Why TensorRT has no sparse kernel for it, "" where it has."""
    if not isinstance(layer, nn.Linear) and layer.groups > 1:
        return "depthwise" if layer.groups == layer.in_channels else "in groups"
    channels = layer.weight.shape[1]
    return f"{channels} input channels, no multiple of {GROUP}" if channels % GROUP else ""


def magnitude_masks(
    network: nn.Module, layers: Iterable[str], sparsity: float, scope: Scope, example: Tensor
) -> dict[str, Tensor]:
    """Masks that drop the share `sparsity` of the weights of `layers`, by nncf.prune; `network` stays as it is.

    NNCF takes the threshold for "network" from magnitudes over the norm of their layer's weights. Raises UsageError where a
    layer would lose all of them.
    """
    nncf = import_nncf()
    from nncf.torch.function_hook.pruning.magnitude.algo import get_pruned_modules

    modes = {
        "layer": nncf.PruneMode.UNSTRUCTURED_MAGNITUDE_LOCAL,
        "network": nncf.PruneMode.UNSTRUCTURED_MAGNITUDE_GLOBAL,
    }
    chosen = set(layers)
    others = [name for name, module in network.named_modules() if isinstance(module, Layer) and name not in chosen]
    with quiet_nncf():
        masked = nncf.prune(
            deepcopy(network),
            mode=modes[scope],
            ratio=sparsity,
            ignored_scope=nncf.IgnoredScope(names=[f"{name}.weight" for name in others]),
            examples_inputs=example,
        )
    hooks = get_pruned_modules(
        masked
    )  # nncf.strip, which would bake them in, needs torchao even where nothing is rounded
    masks = {name: hooks[f"{name}.weight"].binary_mask for name in sorted(chosen)}
    empty = [name for name, mask in masks.items() if not mask.any()]
    if empty:
        raise UsageError(
            f"--sparsity {sparsity:g}: leaves no weight of {', '.join(empty)}; give a smaller share, or --keep these layers"
        )
    return masks


class Held(nn.Module):
    """A weight with zeros where `mask` is False, whatever training makes of what lies beneath.

    Chosen, not multiplied: a product would leave -0.0 here and there, which compresses worse.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        """Same shape."""
        return torch.where(self.mask, weight, 0.0)


def hold(network: nn.Module, masks: Masks) -> nn.Module:
    """`network`, changed in place: weights under `masks` are zero from now on, in training too."""
    for name, mask in masks.items():
        parametrize.register_parametrization(network.get_submodule(name), "weight", Held(mask))
    return network


def release(network: nn.Module, masks: Masks) -> nn.Module:
    """`network`, changed in place: plain layers again, with the zeros in their weights."""
    for name in masks:
        parametrize.remove_parametrizations(network.get_submodule(name), "weight", leave_parametrized=True)
    return network


def shares_of_zeros(network: nn.Module, layers: Iterable[str]) -> tuple[dict[str, float], float]:
    """Share of the weights that are zero, in each of `layers`, and of all parameters of `network`."""
    weights = {name: getattr(network.get_submodule(name), "weight").detach() for name in layers}  # noqa: B009
    zeros = {name: weight.numel() - int(weight.count_nonzero()) for name, weight in weights.items()}
    total = sum(parameter.numel() for parameter in network.parameters())
    return {name: zeros[name] / weights[name].numel() for name in weights}, sum(zeros.values()) / total
