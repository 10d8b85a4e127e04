"""The range of a tensor, and how it becomes a scale and a zero point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeneuro.spec import Array, Float32


@dataclass(frozen=True)
class Range:
    """Smallest and largest value of a tensor that INT8 has to represent."""

    low: float
    high: float

    def union(self, other: Range) -> Range:
        """The smallest range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


def unsigned_parameters(limits: Range) -> tuple[np.float32, np.uint8]:
    """Scale and zero point of asymmetric UINT8: 0 is exact, both ends of `limits` are representable.

    Source: Jacob et al. 2018, arXiv:1712.05877, section 2.1, r = S (q - Z).
    """
    low, high = min(limits.low, 0.0), max(limits.high, 0.0)
    scale = np.float32((high - low) / 255.0)
    if not scale > np.finfo(np.float32).tiny:  # a tensor that was zero throughout: any scale represents it
        return np.float32(1.0), np.uint8(0)
    return scale, np.uint8(np.clip(np.rint(-low / scale), 0, 255))


def weight_scales(weights: Float32, limit: int) -> Float32:
    """Symmetric INT8 scale of each output channel: largest magnitude / limit, 1 for a channel of zeros.

    weights: (output channel, ...) float32. limit: largest integer magnitude, 127 or less. Returns (output channel,).
    """
    largest = np.abs(weights.reshape(len(weights), -1)).max(axis=1)
    scales: Float32 = np.where(largest > 0, largest / limit, 1.0).astype(np.float32)
    return scales


def quantize_weights(weights: Float32, scales: Float32, limit: int) -> Array:
    """q = round(w / scale), halves to even, in -limit..limit. weights: (output channel, ...). Returns int8, same shape."""
    divisors = scales.reshape(-1, *[1] * (weights.ndim - 1))
    quantized: Array = np.clip(np.rint(weights / divisors), -limit, limit).astype(np.int8)
    return quantized
