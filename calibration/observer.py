"""What is kept of one tensor's values over all calibration frames, in two passes.

The first pass finds each frame's smallest and largest value, the second counts values in bins between the extremes of
all. Both keep only integers and exact floats, so that batch size and order of the frames leave no trace.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeneuro.errors import InputError
from edgeneuro.spec import Array

BINS = 4096
"""Of a histogram: 16 for each of 256 steps, so that clipping to a sixteenth of the range still fills every step."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Statistics:
    """lows, highs: (frame,) float64, smallest and largest value of each frame, each ascending.

    counts: (BINS,) int64, how many values lie in each of BINS equal intervals from lows[0] to highs[-1].
    """

    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def low(self) -> float:
        """The smallest value of all."""
        return float(self.lows[0])

    @property
    def high(self) -> float:
        """The largest value of all."""
        return float(self.highs[-1])

    def outside(self, low: float, high: float) -> int:
        """How many values lie below `low` or above `high`, to a bin."""
        centres = self.low + (np.arange(BINS) + 0.5) * ((self.high - self.low) / BINS)
        return int(self.counts[(centres < low) | (centres > high)].sum())


class Extremes:
    """First pass: smallest and largest value of each frame."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lows: list[float] = []
        self._highs: list[float] = []

    def add(self, values: Array) -> None:
        """values: (frame, ...). Raises InputError for NaN and infinity."""
        frames = values.reshape(len(values), -1)
        lows, highs = frames.min(axis=1), frames.max(axis=1)
        if not (np.isfinite(lows).all() and np.isfinite(highs).all()):
            raise InputError(
                f"tensor {self.name!r}: holds NaN or infinity for a calibration frame, expected finite values; "
                "check the network in float on these frames"
            )
        self._lows.extend(float(value) for value in lows)
        self._highs.extend(float(value) for value in highs)

    def counter(self) -> Counter:
        """The second pass over the same frames."""
        return Counter(np.sort(np.array(self._lows)), np.sort(np.array(self._highs)))


class Counter:
    """Second pass: a histogram between extremes that are known by now."""

    def __init__(self, lows: NDArray[np.float64], highs: NDArray[np.float64]) -> None:
        self._lows, self._highs = lows, highs
        self._counts = np.zeros(BINS, np.int64)
        width = float(highs[-1] - lows[0]) / BINS
        self._factor = 1.0 / width if width > np.finfo(np.float32).tiny else 0.0  # a constant falls into the first bin

    def add(self, values: Array) -> None:
        """values: of any shape, from the frames of the first pass. Each falls into its bin by float32 arithmetic of its
        own, whatever came with it."""
        place = np.subtract(values.ravel(), np.float32(self._lows[0]), dtype=np.float32)
        place *= np.float32(self._factor)
        self._counts += np.bincount(np.clip(place, 0, BINS - 1).astype(np.int64), minlength=BINS)

    def statistics(self) -> Statistics:
        """All that was seen."""
        return Statistics(lows=self._lows, highs=self._highs, counts=self._counts.copy())
