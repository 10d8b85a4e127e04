"""From the network's output to what a person reads."""

from __future__ import annotations

import numpy as np

from edgeneuro.errors import BackendError
from edgeneuro.spec import Array, Float32


def softmax(logits: Array) -> Float32:
    """exp(x) / sum exp(x) along the last axis, shifted by the largest x so that nothing overflows.

    logits: (..., class). Returns the same shape, float32. Raises BackendError for NaN or infinite logits.
    """
    if not np.isfinite(logits).all():
        raise BackendError(
            "network: returned NaN or infinite logits; check the frame, then run `edgeneuro verify` on the engine"
        )
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scaled: Float32 = (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32, copy=False)
    return scaled
