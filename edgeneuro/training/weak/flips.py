"""Probabilities averaged over flips of the input, which lowers the variance of what becomes a label."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeneuro.spec import Array, Float32

FLIPS = ((), (-2,), (-1,), (-2, -1))
"""Axes turned round: none, y, x, both. Not z, along which microscopes blur and dim in one direction."""


def flip_mean(predict: Callable[[Array], Array], batch: Array) -> Float32:
    """Mean over the four flips in the plane of what `predict` says, turned back.

    predict: (batch, channel, [z,] y, x) -> probabilities (batch, class, [z,] y, x), not logits: of those, one very sure flip
    would outvote three.
    """
    total = sum(np.flip(predict(np.ascontiguousarray(np.flip(batch, axes))), axes) for axes in FLIPS)
    return np.asarray(total / len(FLIPS), np.float32)
