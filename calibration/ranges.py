"""The range of a tensor, and how it becomes a scale and a zero point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from edgeneuro.errors import InputError
from edgeneuro.spec import Array, Float32

Activations: TypeAlias = Literal["unsigned", "signed", "symmetric"]
"""How a target wants activations in 8 bits: UINT8 with any zero point; the same shifted by 128 to INT8; or INT8 with zero
point 0."""


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


def activation_parameters(limits: Range, activations: Activations) -> tuple[np.float32, np.uint8 | np.int8]:
    """Scale and zero point of one tensor; the zero point's type is the tensor's. x = scale (q - zero point).

    "signed" represents exactly what "unsigned" does. "symmetric" uses -127..127 of a scale of largest magnitude / 127,
    as TensorRT does. Raises InputError for an unknown kind.
    """
    if activations == "unsigned":
        return unsigned_parameters(limits)
    if activations == "signed":
        scale, zero_point = unsigned_parameters(limits)
        return scale, np.int8(int(zero_point) - 128)
    if activations == "symmetric":
        scale = np.float32(max(abs(limits.low), abs(limits.high)) / 127)
        return scale if scale > np.finfo(np.float32).tiny else np.float32(1.0), np.int8(0)
    raise InputError(f"activations: got {activations!r}, expected unsigned, signed or symmetric")


def weight_scales(weights: Float32, limit: float) -> Float32:
    """Symmetric INT8 scale of each output channel: largest magnitude / limit, 1 for a channel of zeros.

    weights: (output channel, ...) float32. limit: largest magnitude in 8 bits, 127 or less in INT8. Returns (output channel,).
    """
    largest = np.abs(weights.reshape(len(weights), -1)).max(axis=1)
    scales: Float32 = np.where(largest > 0, largest / limit, 1.0).astype(np.float32)
    return scales


def quantize_weights(weights: Float32, scales: Float32, limit: int) -> Array:
    """q = round(w / scale), halves to even, in -limit..limit. weights: (output channel, ...). Returns int8, same shape."""
    divisors = scales.reshape(-1, *[1] * (weights.ndim - 1))
    quantized: Array = np.clip(np.rint(weights / divisors), -limit, limit).astype(np.int8)
    return quantized
