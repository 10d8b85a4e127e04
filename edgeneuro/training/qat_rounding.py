"""Rounding as ONNX does it, to the bit, with gradients that pass straight through.

ONNX QuantizeLinear divides by the scale, rounds halves to even and saturates. torch's own fake-quantisation multiplies
by the scale's reciprocal instead, which puts some values one step elsewhere.

Source of the gradient: Bengio et al. 2013, arXiv:1308.3432 (straight-through estimator), zero where saturated.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

BIAS_LIMITS = (-(2**31), 2**31 - 1)
"""Of an INT32 bias."""


class _Rounded(torch.autograd.Function):
    """`steps` in place of `x`; the gradient of x is that of steps / scale where `inside`, else 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, steps: Tensor, scale: Tensor, inside: Tensor | None) -> Tensor:
        ctx.save_for_backward(scale, *(() if inside is None else (inside,)))
        return steps

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        scale, *inside = ctx.saved_tensors
        gradient = gradients[0] / scale
        return (gradient * inside[0] if inside else gradient), None, None, None


def _rounded(x: Tensor, steps: Tensor, scale: Tensor, inside: Tensor | None = None) -> Tensor:
    rounded: Tensor = _Rounded.apply(x, steps, scale, inside)  # type: ignore[no-untyped-call]
    return rounded


def quantize(x: Tensor, scale: Tensor, zero_point: int, lowest: int, highest: int) -> Tensor:
    """q = saturate(round(x / scale) + zero_point), halves to even, as ONNX QuantizeLinear: whole numbers in float32.

    x: any shape, float32. scale: one number. lowest, highest: of the integer type. Gradient: 1 / scale within
    lowest..highest, 0 where saturated.
    """
    with torch.no_grad():
        steps = torch.round(x / scale) + zero_point
        inside = (steps >= lowest) & (steps <= highest)
        steps = steps.clamp(lowest, highest)
    return _rounded(x, steps, scale, inside)


def dequantize(steps: Tensor, scale: Tensor, zero_point: int) -> Tensor:
    """x = (q - zero_point) scale, as ONNX DequantizeLinear."""
    return (steps - zero_point) * scale


def quantized_weights(weights: Tensor, axis: int, limit: int) -> tuple[Tensor, Tensor]:
    """Weights as an INT8 graph holds them, and the scale of each output channel: largest magnitude / limit.

    weights: float32, output channels along `axis`. limit: largest integer magnitude, 127 or less. The rule is that of
    edgeneuro.calibration.ranges.weight_scales and quantize_weights. Nothing saturates, so every weight has a gradient,
    1; the scale has none.
    """
    with torch.no_grad():
        others = [other for other in range(weights.ndim) if other != axis]
        largest = weights.abs().amax(others)
        scales = torch.where(largest > 0, largest / limit, torch.ones_like(largest))
        along = scales.reshape([-1 if other == axis else 1 for other in range(weights.ndim)])
        steps = torch.round(weights / along).clamp(-limit, limit)
    return _rounded(weights, steps, along) * along, scales


def quantized_bias(bias: Tensor, input_scale: Tensor, weight_scales: Tensor) -> Tensor:
    """A bias as an INT8 graph holds it: INT32 in steps of input scale x weight scale. bias: (output channel,) or (1,)."""
    with torch.no_grad():
        scales = input_scale * weight_scales
        spread = bias.expand_as(scales)
        steps = torch.round(spread.double() / scales.double()).clamp(*BIAS_LIMITS).float()
    return _rounded(bias.expand_as(scales), steps, scales) * scales
