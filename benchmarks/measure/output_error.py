"""How far the outputs of rows are from the float row's, added up frame by frame so that no output has to be kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeneuro.errors import ShapeError
from edgeneuro.spec import Array


class OutputErrors:
    """Root mean square difference of a row's output from the reference's, over the standard deviation of the latter, all
    elements of all frames together; of several outputs the largest."""

    def __init__(self, names: Sequence[str]) -> None:
        """names: of the outputs."""
        self._spread = {name: _Spread() for name in names}
        self._squares: dict[str, dict[str, float]] = {}

    def add(self, expected: Mapping[str, Array], found: Mapping[str, Mapping[str, Array]]) -> None:
        """One frame. expected: of the reference, by output. found: of every other row."""
        for name, spread in self._spread.items():
            spread.add(expected[name])
            for row, outputs in found.items():
                difference = outputs[name].astype(np.float64) - expected[name]
                sums = self._squares.setdefault(row, dict.fromkeys(self._spread, 0.0))
                sums[name] += float((difference**2).sum())

    def of(self, row: str) -> float | None:
        """0 for the same outputs; None where an output of the reference never changes, or is not finite."""
        errors = [self._error(name, squares) for name, squares in self._squares[row].items()]
        return max(errors) if all(map(math.isfinite, errors)) else None

    def _error(self, name: str, squares: float) -> float:
        if squares == 0.0:
            return 0.0
        spread = self._spread[name].squares
        return math.sqrt(squares / spread) if spread > 0 else math.inf


@dataclass(kw_only=True)
class _Spread:
    """Sum of squared distances from the mean, updated block by block. Source: Chan, Golub and LeVeque 1979, eq. 2.1."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: Array) -> None:
        block = values.astype(np.float64)
        total = self.count + block.size
        mean = float(block.mean())
        apart = mean - self.mean
        self.squares += float(((block - mean) ** 2).sum()) + apart**2 * self.count * block.size / total
        self.mean += apart * block.size / total
        self.count = total


def check_outputs(row: str, found: Mapping[str, Array], expected: Mapping[str, Array], names: Sequence[str]) -> None:
    """Every output is there, of the shape that the reference gives. Raises ShapeError naming the row."""
    for name in names:
        if name not in found:
            raise ShapeError(f"{row}: gives {', '.join(found) or 'no output'}, expected {', '.join(names)}")
        if found[name].shape != expected[name].shape:
            raise ShapeError(
                f"{row}: gives {name!r} of shape {found[name].shape}, expected {expected[name].shape} as the float row does"
            )
