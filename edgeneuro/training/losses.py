"""Losses of classifiers and of pairs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from edgeneuro.models.skin import DIFFERENT, SAME
from edgeneuro.training.settings import SiameseSettings


def focal_loss(logits: Tensor, targets: Tensor, gamma: float, alpha: Tensor) -> Tensor:
    """- sum_i alpha_i (1 - p_i)^gamma log p_i / sum_i alpha_i, with p_i the probability of the class of frame i.

    logits: (batch, class). targets: (batch,) class numbers. alpha: (class,), one weight a class. gamma: how much less frames
    count that are easy already; 0 gives cross-entropy. Source: Lin et al. 2017, arXiv:1708.02002, eq. 5, but a weighted mean,
    as in torch's cross_entropy, so that alpha does not change the size of the loss.
    """
    log_p = F.log_softmax(logits, 1)
    doubt = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)  # 1 - p; at 0, a power below 1 has no slope
    return F.nll_loss(doubt**gamma * log_p, targets, weight=alpha)


def discriminator_loss(logits: Tensor, same: Tensor) -> Tensor:
    """Cross-entropy. logits: (pair, 2). same: (pair,) whether both frames are of one class."""
    return F.cross_entropy(logits, torch.where(same, SAME, DIFFERENT))


def total_loss(first: Tensor, second: Tensor, discriminator: Tensor, settings: SiameseSettings) -> Tensor:
    """A, B and C times the focal losses of branch 1 and 2 and the discriminator's loss. Source: as edgeneuro.models.skin."""
    return (
        settings.first_weight * first + settings.second_weight * second + settings.discriminator_weight * discriminator
    )
