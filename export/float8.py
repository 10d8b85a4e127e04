"""FP8 E4M3 in place of INT8, for TensorRT on GPUs that have it (compute capability 8.9 and later).

Source: Micikevicius et al. 2022, arXiv:2209.05433: four bits of exponent, three of mantissa, largest value 448.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np

from edgeneuro.calibration.ranges import Range
from edgeneuro.spec import Array, Float32

LARGEST = 448.0
_E4M3 = np.dtype(ml_dtypes.float8_e4m3fn)


def float8_parameters(limits: Range) -> tuple[np.float32, Array]:
    """Scale and zero point of one tensor, symmetric: the largest magnitude becomes 448. The zero point, 0, has the type."""
    scale = np.float32(max(abs(limits.low), abs(limits.high)) / LARGEST)
    return scale if scale > np.finfo(np.float32).tiny else np.float32(1.0), np.zeros((), _E4M3)


def float8_weights(weights: Float32, scales: Float32) -> Array:
    """weights / scale, rounded to FP8. weights: (output channel, ...); scales: (output channel,). Same shape."""
    divisors = scales.reshape(-1, *[1] * (weights.ndim - 1))
    quantized: Array = np.clip(weights / divisors, -LARGEST, LARGEST).astype(_E4M3)
    return quantized
