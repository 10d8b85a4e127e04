"""When the rounds end, which of them is kept, and when the labels have drifted away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeneuro.errors import DataError
from edgeneuro.spec import Array
from edgeneuro.volume import FOREGROUND

_ROUNDING = 1e-9
"""0.902 - 0.9 is a little less than 0.002 in binary numbers, 0.9 - 0.88 a little more than 0.02."""


@dataclass(frozen=True, kw_only=True)
class StopSettings:
    """rounds: at most. agreement: mean intersection over union with the pseudo-labels of the round before, from which on nothing
    changes any more. gain: of validation F1, less than which is none; patience: rounds without one, in a row. drift: fall of F1
    on the manual blocks, more than which is given up at."""

    rounds: int = 5
    agreement: float = 0.95
    gain: float = 0.002
    patience: int = 2
    drift: float = 0.02


@dataclass(frozen=True, kw_only=True)
class Round:
    """What is known after one round, all 0 to 1. agreement: None where there were no pseudo-labels before. foreground_share: mean of
    the pseudo-labelled blocks, which shows drift before F1 does."""

    validation_f1: float
    manual_f1: float
    agreement: float | None
    foreground_share: float


def agreement(before: Sequence[Array], now: Sequence[Array]) -> float:
    """Mean over blocks of the intersection over union of their foreground, 1 where a block has none in either; a voxel that went
    from IGNORE to foreground is a change.

    before, now: the labels of the same blocks in two rounds. Raises DataError for different blocks, or none.
    """
    if not now or [block.shape for block in before] != [block.shape for block in now]:
        raise DataError(
            f"agreement: got {len(before)} blocks of labels before and {len(now)} now, expected the same blocks, at least one"
        )
    return float(np.mean([_iou(a == FOREGROUND, b == FOREGROUND) for a, b in zip(before, now, strict=True)]))


def why_stop(rounds: Sequence[Round], settings: StopSettings) -> str | None:
    """The reason to end after the last of `rounds`, which are all so far in order; None to go on."""
    last = rounds[-1].agreement
    if last is not None and last >= settings.agreement:
        return f"pseudo-labels agree with those before to {last:.3f}, {settings.agreement} or more"
    if _without_gain(rounds, settings.gain) >= settings.patience:
        return f"validation F1 gained less than {settings.gain} in {settings.patience} rounds in a row"
    if len(rounds) >= settings.rounds:
        return f"{settings.rounds} rounds are done"
    return None


def best_round(rounds: Sequence[Round]) -> int:
    """Place in `rounds` of the highest validation F1, of equals the first."""
    return int(np.argmax([done.validation_f1 for done in rounds]))


def why_abort(rounds: Sequence[Round], settings: StopSettings) -> str | None:
    """Why the labels are taken to have drifted: F1 on the manual blocks after the last of `rounds`, against the best one before;
    None where they have not. Against the best, so that a slow fall is seen as well."""
    if len(rounds) < 2:
        return None
    best, last = max(done.manual_f1 for done in rounds[:-1]), rounds[-1].manual_f1
    if best - last <= settings.drift + _ROUNDING:
        return None
    return (
        f"F1 on the manual blocks fell from {best:.3f} to {last:.3f}, more than {settings.drift}; the foreground of the "
        f"pseudo-labels went from {rounds[0].foreground_share:.2%} to {rounds[-1].foreground_share:.2%}"
    )


def _without_gain(rounds: Sequence[Round], gain: float) -> int:
    """Rounds in a row, up to the last, that were not better by `gain` than the best one before them."""
    count, best = 0, rounds[0].validation_f1
    for done in rounds[1:]:
        count = 0 if done.validation_f1 - best >= gain - _ROUNDING else count + 1
        best = max(best, done.validation_f1)
    return count


def _iou(before: Array, now: Array) -> float:
    union = np.count_nonzero(before | now)
    return np.count_nonzero(before & now) / union if union else 1.0
