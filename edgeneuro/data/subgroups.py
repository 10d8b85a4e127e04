"""Parts of a data set by what its table says of each frame: scanner, sex, age band. Unknown is a part of its own."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Sequence

from edgeneuro.data.sample import Sample
from edgeneuro.errors import DataError

UNKNOWN = "unknown"
_NOT_KNOWN = ("", "unknown", "nan", "n/a", "?")
"""Cells that stand for it, in small letters."""
Bands = Sequence[float]
"""Where numbers are cut, ascending: 20, 40 makes "<20", "20-39" and "40+". None: values are taken as they are."""


def subgroup_values(samples: Sequence[Sample], column: str, bands: Bands = ()) -> list[str]:
    """One a sample: its value of `column` ("group" for the group itself), its band, or UNKNOWN.

    Raises DataError for a column that is not there, and for a cell that is no number where bands are given.
    """
    return [_value(sample, column, bands) for sample in samples]


def ordered_values(values: Iterable[str], bands: Bands = ()) -> tuple[str, ...]:
    """Each once: bands from low to high, numbers by size, then words; UNKNOWN last."""
    labels = band_labels(bands)

    def rank(value: str) -> tuple[bool, float, str]:
        if value in labels:
            return False, labels.index(value), ""
        return value == UNKNOWN, _number(value), value

    return tuple(sorted(set(values), key=rank))


def band_labels(bands: Bands) -> tuple[str, ...]:
    """ "<20", "20-39", "40+" of 20, 40; between numbers that are not whole "0.1 to <0.5". The lower end belongs to it."""
    if not bands:
        return ()
    inner = (_label(low, high) for low, high in itertools.pairwise(bands))
    return (f"<{bands[0]:g}", *inner, f"{bands[-1]:g}+")


def check_bands(column: str, bands: Bands, where: str) -> None:
    """where: the file, for the message. Raises DataError unless they ascend."""
    ascending = all(low < high for low, high in itertools.pairwise(bands))
    if not ascending or not all(map(math.isfinite, bands)):
        raise DataError(
            f"{where}: subgroups.{column} is cut at {', '.join(f'{edge:g}' for edge in bands)}, expected ascending "
            "numbers such as 20, 40, 60; correct them, or leave the list empty for values as they are"
        )


def _value(sample: Sample, column: str, bands: Bands) -> str:
    cell = sample.unit(column)
    if cell.lower() in _NOT_KNOWN:
        return UNKNOWN
    if not bands:
        return cell
    number = _number(cell)
    if not math.isfinite(number):
        raise DataError(
            f"{sample.source}: has {column} {cell!r}, expected a number or an empty cell; correct it, or leave the list "
            f"of subgroups.{column} empty"
        )
    return band_labels(bands)[bisect.bisect_right(bands, number)]


def _label(low: float, high: float) -> str:
    if float(low).is_integer() and float(high).is_integer():
        return f"{low:g}-{high - 1:g}" if high - low > 1 else f"{low:g}"
    return f"{low:g} to <{high:g}"


def _number(cell: str) -> float:
    """Infinity for what is none."""
    try:
        value = float(cell)
    except ValueError:
        return math.inf
    return value if math.isfinite(value) else math.inf
