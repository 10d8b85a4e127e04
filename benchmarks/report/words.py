"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log10

from edgeneuro.benchmarks.document import AccuracyRecord, Latency, Quantile, Ratio, Row
from edgeneuro.manifest import Interval
from edgeneuro.metrics import MASK_METRICS, METRICS

UNKNOWN = "-"
"""In a cell: not measured."""


def number(value: float | None, digits: int = 3) -> str:
    """With so many significant digits and never an exponent: 0.00123, 4.56, 1,235."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0"
    value = float(f"{value:.{digits - 1}e}")  # rounded first: 9.996 is 10.0, with one place less
    places = max(0, digits - 1 - floor(log10(abs(value))))
    return f"{value:,.{places}f}"


def amount(value: float | None) -> str:
    """With a thousand's letter: 504 k, 81.4 M, 34.9 G."""
    if value is None:
        return UNKNOWN
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:
            return f"{number(value / size)} {letter}"
    return number(value)


def size(count: int | None) -> str:
    """Bytes: 3.70 MB."""
    return UNKNOWN if count is None else f"{amount(count)}B" if count >= 1000 else f"{count} B"


def percent(interval: Interval | None) -> str:
    """ "71.2 [60.1, 80.9]", of a share."""
    if interval is None:
        return UNKNOWN
    return f"{100 * interval.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def points(interval: Interval | None) -> str:
    """ "+0.40 [-0.20, +1.10]"; a zero has no minus."""
    if interval is None:
        return UNKNOWN
    value, low, high = (round(x, 2) + 0.0 for x in (interval.value, interval.low, interval.high))
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def times(ratio: Ratio | None) -> str:
    """ "0.52 [0.51, 0.53]": the median and its interval."""
    if ratio is None:
        return UNKNOWN
    return f"{ratio.p50:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"


def quantile(found: Quantile | None) -> str:
    """ "8.1 [8.0, 8.3]", in ms; "?" for a side that too few queries leave open."""
    if found is None:
        return UNKNOWN
    low, high = ("?" if side is None else number(side) for side in (found.low, found.high))
    return f"{number(found.ms)} [{low}, {high}]"


def at(latency: Latency | None, percentile: float) -> Quantile | None:
    """The quantile where there is one."""
    if latency is None:
        return None
    return next((one for one in latency.quantiles if one.percentile == percentile), None)


def inference(row: Row, percentile: float = 50.0) -> Quantile | None:
    """Of one row's inference."""
    return at(row.steps.get("inference"), percentile)


def short(row: Row) -> str:
    """The row's name without that of its engine."""
    return row.name.removeprefix(f"{row.engine}: ")


def metric_title(name: str) -> str:
    """As people call the metric."""
    if name in METRICS:
        return METRICS[name].title
    return MASK_METRICS.get(name, name.replace("_", " "))


def sentence(words: str) -> str:
    """With a capital first letter."""
    return words[:1].upper() + words[1:]


def score(accuracy: AccuracyRecord | None) -> Interval | None:
    """What a row is judged by: its metric, or its agreement with float where there were no labels."""
    if accuracy is None:
        return None
    if accuracy.value is not None:
        return accuracy.value
    return accuracy.agreement if accuracy.metric == "agreement" else None


def known(values: Iterable[float | None]) -> list[float]:
    """Those that were measured."""
    return [value for value in values if value is not None]


def duration(seconds: float) -> str:
    """ "8.0 s", "5.0 min"."""
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def yes_no(value: bool | None) -> str:
    """ "yes", "no", or that it is not known."""
    return UNKNOWN if value is None else "yes" if value else "no"


def listed(names: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    found = list(names)
    return " and ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found)
