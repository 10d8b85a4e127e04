"""Soft thresholding and the channel-wise soft-threshold attention built on it.

Source: Zhao et al. 2020, Deep Residual Shrinkage Networks, doi:10.1109/TII.2019.2942898.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

REDUCTION = 4
"""Channels a hidden unit of the attention's first layer."""


def soft_threshold(x: Tensor, tau: Tensor) -> Tensor:
    """S(x) = sign(x) max(|x| - tau, 0), written as x - clamp(x, -tau, tau), which needs no Sign operator.

    x: (batch, channel, height, width). tau: same shape or broadcastable, never negative.
    dS/dx is 0 inside the dead zone and 1 outside; dS/dtau is -sign(x) outside and 0 inside.
    """
    return x - torch.minimum(torch.maximum(x, -tau), tau)


class SoftThresholdAttention(nn.Module):
    """Each channel loses what is small against its own mean magnitude.

    g = mean over (height, width) of |x|; a = sigmoid(W2 ReLU(BN(W1 g))); tau = a g, so 0 <= tau <= g.
    Channel-wise form; W1 narrows to channels / 4 and has no bias (the original keeps the width).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // REDUCTION
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.norm = nn.BatchNorm1d(hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, channel, height, width), returned in the same shape."""
        return soft_threshold(x, self.threshold(x))

    def threshold(self, x: Tensor) -> Tensor:
        """tau of each channel: (batch, channel, 1, 1), from x of (batch, channel, height, width)."""
        magnitude = x.abs().mean(dim=(2, 3))
        share = torch.sigmoid(self.excite(torch.relu(self.norm(self.squeeze(magnitude)))))
        return (share * magnitude)[:, :, None, None]


class FixedThreshold(nn.Module):
    """Ablation: one threshold for every channel and input, in units of the normalised features."""

    tau: Tensor

    def __init__(self, tau: float) -> None:
        super().__init__()
        self.register_buffer("tau", torch.tensor(tau))

    def forward(self, x: Tensor) -> Tensor:
        """x: any shape, returned in the same shape."""
        return soft_threshold(x, self.tau)
