"""Percentiles of a volume larger than memory: those that `edgeneuro.tiled.percentile_levels` finds, in constant memory.

Grey values become whole numbers of the same order, and these are counted by 16 bits at a time, the highest first. 8 and 16 bits need
one pass over the volume, 32 bits two and 64 bits four: each later pass counts only values that begin like one of those wanted.
Nothing is sampled or approximated, in floats neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgeneuro.spec import Array
from edgeneuro.tiled import Levels

Counts = NDArray[np.int64]
"""(beginning, 65536)."""
CountAll = Callable[[int, tuple[int, ...]], Counts]
"""Of a whole volume, the sum over its parts of what `count_digits` gives for (which pass, beginnings)."""

_DIGIT = 16
_VALUES = 2**_DIGIT


def exact_levels(count: CountAll, dtype: np.dtype[np.generic], voxels: int, low: float, high: float) -> Levels:
    """The `low` and `high` percentile of `voxels` values of `dtype`."""
    places = [(voxels - 1) * (percent / 100) for percent in (low, high)]
    ranks = {rank for place in places for rank in (math.floor(place), min(math.floor(place) + 1, voxels - 1))}
    found = {rank: (0, rank) for rank in ranks}  # the value's first bits, and its rank among those that begin with them
    for turn in range(_passes(dtype)):
        beginnings = tuple(sorted({begin for begin, _ in found.values()}))
        below = np.cumsum(count(turn, beginnings), axis=1)
        for rank, (begin, left) in found.items():
            row = below[beginnings.index(begin)]
            digit = int(np.searchsorted(row, left, side="right"))
            found[rank] = (begin << _DIGIT | digit, left - (int(row[digit - 1]) if digit else 0))
    values = {rank: _value(begin, dtype) for rank, (begin, _) in found.items()}
    bottom, top = (
        _between(values[math.floor(place)], values[min(math.floor(place) + 1, voxels - 1)], place % 1)
        for place in places
    )
    return bottom, top


def count_digits(values: Array, turn: int, beginnings: tuple[int, ...]) -> Counts:
    """Of the values that begin with each of `beginnings`, how many go on with each of the next 16 bits. turn: from 0, when there is
    one beginning, of no bits."""
    keys = _sortable(values)
    shift = _DIGIT * (_passes(values.dtype) - 1 - turn)
    if turn == 0:
        return np.bincount((keys >> shift).astype(np.int64), minlength=_VALUES)[None]
    digits, before = (keys >> shift) & (_VALUES - 1), keys >> (shift + _DIGIT)
    return np.stack([np.bincount(digits[before == begin].astype(np.int64), minlength=_VALUES) for begin in beginnings])


def _passes(dtype: np.dtype[np.generic]) -> int:
    return max(1, 8 * dtype.itemsize // _DIGIT)


def _sortable(values: Array) -> NDArray[np.unsignedinteger]:
    """(value,) whole numbers without sign, of the same number of bits and in the same order."""
    bits = 8 * values.dtype.itemsize
    whole = np.ascontiguousarray(values).ravel().view(f"u{values.dtype.itemsize}")
    sign = whole.dtype.type(1 << (bits - 1))
    if values.dtype.kind == "i":
        whole = whole ^ sign
    elif values.dtype.kind == "f":  # of negative ones, more bits are less
        whole = np.where(whole & sign, ~whole, whole | sign)
    return whole


def _value(key: int, dtype: np.dtype[np.generic]) -> np.generic:
    """The value that `_sortable` made `key` of."""
    bits = 8 * dtype.itemsize
    sign, full = 1 << (bits - 1), (1 << bits) - 1
    if dtype.kind == "i":
        key ^= sign
    elif dtype.kind == "f":
        key = key ^ sign if key & sign else ~key & full
    value: np.generic = np.array([key], f"u{dtype.itemsize}").view(dtype)[0]
    return value


def _between(before: np.generic, after: np.generic, share: float) -> float:
    """As np.percentile interpolates, to the last bit: from the nearer of the two, their difference in their own type."""
    step = float(np.subtract(after, before))
    return float(before) + step * share if share < 0.5 else float(after) - step * (1 - share)
