"""Which rival an engine is held against: the fastest of those that are not shown to be less accurate."""

from __future__ import annotations

from collections.abc import Sequence

from edgeneuro.benchmarks.document import OURS, AccuracyRecord, Row
from edgeneuro.errors import DataError
from edgeneuro.manifest import Interval

UNLABELLED = "agreement"
"""`metric` of records made without labels."""
ERROR_RATIO = 1.5
"""Without labels, how many times our output error a rival's may be. The error depends on which calibration frames were drawn;
a difference in kind, such as a layer that saturates, is a factor of several."""
NO_DROP, FULL_AGREEMENT, NO_ERROR = Interval(value=0.0, low=0.0, high=0.0), Interval(value=1.0, low=1.0, high=1.0), 0.0
"""Of the float row, which the others are compared with; its record has None there."""


def same_accuracy(rival: AccuracyRecord, ours: AccuracyRecord) -> bool:
    """Whether `rival` counts as at least as accurate as `ours`. It does unless it is shown to be worse: what the frames
    cannot tell speaks for the rival.

    With labels it is worse when its paired drop from float lies wholly above ours, its lower bound above our upper bound.
    Without labels, when its output error is more than ERROR_RATIO times ours and its agreement with float lies wholly
    below ours. Raises DataError for records of different frames or metrics.
    """
    if (rival.data, rival.frames, rival.metric) != (ours.data, ours.frames, ours.metric):
        raise DataError(
            f"accuracy: got {rival.metric} on {rival.frames} frames of {rival.data} for the rival, expected "
            f"{ours.metric} on {ours.frames} frames of {ours.data} as for the engine; measure both in one run"
        )
    if ours.metric != UNLABELLED:
        return (rival.drop_points or NO_DROP).low <= (ours.drop_points or NO_DROP).high
    larger = (rival.output_error or NO_ERROR) > ERROR_RATIO * (ours.output_error or NO_ERROR)
    less = (rival.agreement or FULL_AGREEMENT).high < (ours.agreement or FULL_AGREEMENT).low
    return not (larger and less)


def fastest_rival(rows: Sequence[Row], ours: Row) -> Row | None:
    """The rival of the same engine with the smallest median inference time among those of the same accuracy; None where
    there is none.

    rows: any of the document. Where either accuracy was not measured, nothing shows the rival to be worse, and it counts.
    """
    rivals = [
        row for row in rows if row.engine == ours.engine and row.tool != OURS and _counts(row, ours) and row.steps
    ]
    return min(rivals, key=_median_ms, default=None)


def _counts(rival: Row, ours: Row) -> bool:
    if rival.accuracy is None or ours.accuracy is None:
        return True
    return same_accuracy(rival.accuracy, ours.accuracy)


def _median_ms(row: Row) -> float:
    return row.steps["inference"].at(50.0).ms
