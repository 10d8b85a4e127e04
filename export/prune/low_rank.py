"""Large linear layers in two, by their singular values.

Source: Xue, Li and Gong 2013, Restructuring of deep neural network acoustic models with singular value decomposition,
Interspeech 2013.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeneuro.errors import UsageError
from edgeneuro.models.surgery import divided

SMALLEST = 65_536
"""Weights of a layer, 256 x 256: below that, a second layer costs more time than its operations save."""


@torch.no_grad()
def factorise(network: nn.Module, *, energy: float, smallest: int = SMALLEST) -> dict[str, int]:
    """Put two linear layers, W2 (W1 x) + b, in place of every large one, W x + b, in `network` itself.

    energy: share of the squared singular values of W to keep, above 0 and at most 1; W2 W1 is the nearest matrix to W of the
    least such rank (Eckart and Young 1936). smallest: layers with fewer weights stay whole, and so do those that would
    not get fewer, and those that are not trained. Returns layer -> rank, as edgeneuro.models.surgery.Surgery has it.

    Raises UsageError for an energy out of range.
    """
    if not 0.0 < energy <= 1.0:
        raise UsageError(f"energy {energy:g}: expected a share above 0 and at most 1, e.g. 0.9")
    layers = {name: layer for name, layer in network.named_modules() if name and isinstance(layer, nn.Linear)}
    ranks = {}
    for name, layer in layers.items():
        if layer.weight.numel() < smallest or not layer.weight.requires_grad:
            continue
        first, second = _factors(layer.weight, energy)
        if first.numel() + second.numel() >= layer.weight.numel():
            continue
        ranks[name] = len(first)
        pair = divided(layer, len(first), name).train(layer.training)
        weights = {"0.weight": first, "1.weight": second}
        pair.load_state_dict(weights if layer.bias is None else {**weights, "1.bias": layer.bias})
        network.set_submodule(name, pair)
    return ranks


def _factors(weight: Tensor, energy: float) -> tuple[Tensor, Tensor]:
    """(rank, inputs) and (outputs, rank), whose product is nearest to `weight` (outputs, inputs). Each singular value goes half
    into either, so that weight decay and quantisation find both alike."""
    left, values, right = torch.linalg.svd(weight.double(), full_matrices=False)
    kept = values.square().cumsum(0)
    rank = int(torch.searchsorted(kept, energy * kept[-1])) + 1
    root = values[:rank].sqrt()
    return root[:, None] * right[:rank], left[:, :rank] * root
