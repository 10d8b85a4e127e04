"""How far an output is from the reference's, added up frame by frame so that no output has to be kept."""

from __future__ import annotations

import math

import numpy as np

from edgeneuro.benchmarks.compare.records import Difference
from edgeneuro.spec import Array


class Running:
    """One output of one executable, over the frames added so far; in float64."""

    def __init__(self, output: str) -> None:
        self.name, self._dtype = output, ""
        self._cosines = _Mean()
        self._smallest = 1.0
        self._differences = _Mean()
        self._largest = self._magnitude = 0.0

    def add(self, expected: Array, found: Array) -> None:
        """One frame. expected: the reference's, of the same shape as `found`; both finite."""
        self._dtype = str(expected.dtype)
        a, b = expected.astype(np.float64).ravel(), found.astype(np.float64).ravel()
        alike = cosine(a, b)
        self._cosines.add(alike, 1)
        self._smallest = min(self._smallest, alike)
        apart = np.abs(a - b)
        self._differences.add(float(apart.sum()), apart.size)
        self._largest = max(self._largest, float(apart.max(initial=0.0)))
        self._magnitude = max(self._magnitude, float(np.abs(a).max(initial=0.0)))

    def result(self) -> Difference:
        """Of at least one frame."""
        scale = self._magnitude or 1.0
        mean = self._differences.value
        return Difference(
            output=self.name,
            dtype=self._dtype,
            cosine_min=self._smallest,
            cosine_mean=self._cosines.value,
            max=self._largest,
            mean=mean,
            relative_max=self._largest / scale,
            relative_mean=mean / scale,
            magnitude=self._magnitude,
        )


def cosine(a: Array, b: Array) -> float:
    """a . b / (|a| |b|) of two vectors: 1 where both are zero, 0 where one is."""
    lengths = math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))
    if lengths == 0.0:
        return 1.0 if not a.any() and not b.any() else 0.0
    return min(1.0, max(-1.0, float(a @ b) / lengths))


class _Mean:
    """Sum and count."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def add(self, total: float, count: int) -> None:
        self._sum += total
        self._count += count

    @property
    def value(self) -> float:
        return self._sum / self._count if self._count else 0.0
