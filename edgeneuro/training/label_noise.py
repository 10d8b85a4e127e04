"""Wrong labels on purpose, to see what a recipe makes of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeneuro.errors import DataError


def with_label_noise(targets: NDArray[np.int64], share: float, classes: int, seed: int) -> NDArray[np.int64]:
    """`targets` (frame,) with round(share * frames) of them replaced by another class, any of which is as likely; which
    frames, and by what, depends on the seed alone. A share of 0 returns them as they are. Raises DataError for one class.
    """
    if not share:
        return targets
    if classes < 2:
        raise DataError("label noise: got one class, expected at least two; there is no other label to give")
    rng = np.random.default_rng((seed, len(targets)))
    noisy = targets.copy()
    rows = rng.permutation(len(targets))[: round(share * len(targets))]
    noisy[rows] = (noisy[rows] + rng.integers(1, classes, len(rows))) % classes
    return noisy
