"""Losses for masks of thin, branching things, with places that do not count.

logits, labels, weights: (batch, 1, [depth,] height, width). labels: 0, 1, and IGNORE where nobody knows.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from edgeneuro.volume import IGNORE

FOREGROUND_WEIGHT = 5.0
"""Of a foreground voxel; one of the background weighs 1."""
SKELETON_STEPS = 5
"""Erosions of the soft skeleton: neurites are at most about twice as wide, in voxels."""


def mask_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted binary cross-entropy and Dice loss of the places that count: `voxel_loss` + `dice_loss`."""
    return voxel_loss(logits, labels, weights) + dice_loss(logits, labels)


def voxel_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """sum m w BCE(p, y) / sum m w, w times FOREGROUND_WEIGHT where y is 1; 0 where no place counts. weights: of the label's source."""
    counts = labels != IGNORE
    y = (labels == 1).to(logits.dtype)
    w = counts * weights * torch.where(labels == 1, FOREGROUND_WEIGHT, 1.0)
    bce = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
    return (w * bce).sum() / w.sum().clamp_min(torch.finfo(logits.dtype).tiny)


def dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - (2 sum m p y + 1) / (sum m p^2 + sum m y^2 + 1). Source: Milletari et al. 2016, arXiv:1606.04797, smoothed by 1."""
    counts = (labels != IGNORE).to(logits.dtype)
    p, y = logits.sigmoid() * counts, (labels == 1).to(logits.dtype)
    return 1.0 - (2.0 * (p * y).sum() + 1.0) / (p.square().sum() + y.sum() + 1.0)


def centreline_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - soft clDice: the harmonic mean of how much of the prediction's skeleton lies in the label, and the reverse.

    Source: Shit et al. 2021, arXiv:2003.07311, eq. 3, with the skeleton of algorithm 1; places that do not count belong to neither.
    """
    counts = (labels != IGNORE).to(logits.dtype)
    p, y = logits.sigmoid() * counts, (labels == 1).to(logits.dtype)
    of_p, of_y = soft_skeleton(p), soft_skeleton(y)
    precision = ((of_p * y).sum() + 1.0) / (of_p.sum() + 1.0)
    sensitivity = ((of_y * p).sum() + 1.0) / (of_y.sum() + 1.0)
    return 1.0 - 2.0 * precision * sensitivity / (precision + sensitivity)


def soft_skeleton(mask: Tensor, steps: int = SKELETON_STEPS) -> Tensor:
    """mask: 0 to 1, (batch, 1, ...), returned in the same shape: what is left of it when it is opened, eroded and opened again."""
    skeleton = F.relu(mask - _opened(mask))
    for _ in range(steps):
        mask = _eroded(mask)
        rest = F.relu(mask - _opened(mask))
        skeleton = skeleton + F.relu(rest - skeleton * rest)
    return skeleton


def _opened(mask: Tensor) -> Tensor:
    return _dilated(_eroded(mask))


def _eroded(mask: Tensor) -> Tensor:
    """The smallest value in a cross about each place: over every axis in turn."""
    axes = mask.ndim - 2
    along = [[3 if axis == other else 1 for other in range(axes)] for axis in range(axes)]
    pool = F.max_pool2d if axes == 2 else F.max_pool3d
    thinner = [-pool(-mask, size, 1, [side // 2 for side in size]) for size in along]
    return torch.stack(thinner).amin(0)


def _dilated(mask: Tensor) -> Tensor:
    """The largest value in a square or cube about each place."""
    return F.max_pool2d(mask, 3, 1, 1) if mask.ndim == 4 else F.max_pool3d(mask, 3, 1, 1)
