"""Whether the machine was quiet enough to compare rows, and what a comparison then says.

The A/A control decides above all: one row runs twice in every round under two names, and whatever the two differ by is
noise. The limits below are set so that the 5 % of the project's bars can be told from none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edgeneuro.benchmarks.document import Comparison, Conditions, Quiet, Ratio, Verdict
from edgeneuro.benchmarks.measure.quantiles import independent, interval
from edgeneuro.benchmarks.protocol import Floats, ratio

SAME = 1.03
"""A row against itself has to come out, with its whole interval, between 1/SAME and SAME."""
ALIKE = 1.05
"""Two rows are alike when the whole interval of their ratio lies between 1/ALIKE and ALIKE."""
BACKGROUND = 0.10
"""Of the processors' time. Above it others no longer fit between the rows' calls, and what they disturb is chance."""
STOLEN = 0.02
"""Of the processors' time. The host takes it in whole slices of milliseconds, as long as a frame or longer."""
LEAST_INDEPENDENT = 20
"""Rounds. Worth fewer, the interval of a median is too narrow: it then holds the truth in 80 to 90 % of the cases only
(tests/benchmarks/measure/test_quantiles.py)."""


def judge_quiet(same: Ratio | None, conditions: Conditions, unstable: Sequence[str]) -> Quiet:
    """same: the A/A control, None where none ran. unstable: rows that did not settle in the warm-up."""
    reasons = tuple(_reasons(same, conditions, unstable))
    return Quiet(same=same, quiet=not reasons, reasons=reasons)


def _reasons(same: Ratio | None, conditions: Conditions, unstable: Sequence[str]) -> Iterator[str]:
    if same is None:
        yield "No row ran against itself, so how much two rows differ by chance is not known."
    elif same.low < 1.0 / SAME or same.high > SAME:
        yield (
            f"A row against itself took {same.p50:.3f} [{same.low:.3f}, {same.high:.3f}] of its own time, "
            f"expected within {1.0 / SAME:.2f} to {SAME:.2f}."
        )
    background, stolen = conditions.background_share, conditions.steal_share
    if background is not None and background > BACKGROUND:
        yield (
            f"Other processes used {100 * background:.0f} % of the processors' time during the run, "
            f"expected at most {100 * BACKGROUND:.0f} %."
        )
    if stolen is not None and stolen > STOLEN:
        yield (
            f"The host of this virtual machine took {100 * stolen:.1f} % of the processors' time, "
            f"expected at most {100 * STOLEN:.0f} %."
        )
    for name in unstable:
        yield f"{name} had not settled when the warm-up reached its limit."


def compare(row: str, reference: str, times: Mapping[str, Floats], quiet: Quiet) -> Comparison:
    """`row` against `reference`, keys of `times`, each (round,) ms of the same rounds."""
    return Comparison(
        row=row,
        reference=reference,
        ratio=ratio(times[row], times[reference]),
        verdict=_verdict(times[row] / times[reference], quiet),
    )


def _verdict(ratios: Floats, quiet: Quiet) -> Verdict:
    """faster, slower: the whole interval is further from 1 than a row from itself. no difference: it is inside ALIKE. no
    verdict: it is neither, has too few rounds behind it, or the run was not quiet."""
    low, high = interval(ratios, 50.0)
    same = quiet.same
    if not quiet.quiet or same is None or low is None or high is None:
        return "no verdict"
    if independent(ratios, 50.0) < LEAST_INDEPENDENT:
        return "no verdict"
    noise = max(same.high, 1.0 / same.low)
    if high * noise < 1.0:
        return "faster"
    if low > noise:
        return "slower"
    return "no difference" if low >= 1.0 / ALIKE and high <= ALIKE else "no verdict"
