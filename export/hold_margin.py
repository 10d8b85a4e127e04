"""Which layers have to return to float for an engine to stay inside its margin of accuracy.

The most sensitive layers go back, as few as hold the margin: 0, 1, 2, 4, ... of the ranking, then halving between the
last that did not hold and the first that did, so that n layers need about 2 log2 n measurements.

Looking again and again at the same frames until they please would make their verdict worthless. So layers are chosen
on other frames (validation groups, else those of the calibration), and the engine is judged once, on the test part, by
edgeneuro.export.gate.judge. What the test part says is final: nothing is chosen again afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from edgeneuro.export.gate import Check, Margin, checks
from edgeneuro.export.outcomes import Baseline
from edgeneuro.runtime.backends import Backend

OpenGraphs = Callable[[tuple[str, ...]], AbstractContextManager[Mapping[str, Backend]]]
"""Nodes to keep in float -> every lowered graph by member path, opened; none where nothing is left in INT8."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """kept_float: layers returned to float, most sensitive first -> why. history: one line a measurement. all_float:
    no part of the ranking held the margin, so everything went back."""

    kept_float: Mapping[str, str]
    history: tuple[str, ...]
    all_float: bool = False


def hold_margin(
    open_graphs: OpenGraphs,
    rank: Callable[[], Sequence[str]],
    baseline: Baseline,
    margin: Margin,
    metric: str,
    *,
    by: str | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Held:
    """The fewest of the most sensitive layers with which the margin holds on the frames of `baseline`.

    rank: every node in INT8, most sensitive first; asked for only if all-INT8 does not hold. baseline: the float graph on
    frames that are neither trained on nor judged on. margin, metric, by: as the gate will have them.

    A placement holds when every check passes. Where these frames are so few that not even a graph equal to float could
    pass, layers cannot help, and what is seen of the drop has to be inside the limit instead. Where they are enough,
    an inconclusive check does send layers back: fewer changed answers make a narrower interval.
    """
    history: list[str] = []
    ranking: tuple[str, ...] = ()

    def problem(count: int) -> str | None:
        """Why `count` layers in float do not hold the margin; None where they do."""
        progress(
            f"choosing layers: {count} of {len(ranking)} back in float" if count else "checking all layers in INT8"
        )
        with open_graphs(ranking[:count]) as graphs:
            outcomes = baseline.beside(graphs)
        levels = [outcomes] if by is None else [outcomes, outcomes.by(by)]
        found = [check for level in levels for check in checks(level, margin, metric)]
        against = next((check for check in found if not _holds(check)), None)
        shown = against or (found[0] if found else None)
        said = shown.said() if shown else "everything in float"
        history.append(f"{count} layers back in float: {'holds' if against is None else 'does not hold'}; {said}")
        return None if against is None else said

    reason = problem(0)
    if reason is None:
        return Held(kept_float={}, history=tuple(history))
    ranking = tuple(rank())
    bad, good = 0, 1
    while good < len(ranking) and (found := problem(good)) is not None:
        bad, good, reason = good, 2 * good, found
    good = min(good, len(ranking))
    while good - bad > 1:
        middle = (bad + good) // 2
        found = problem(middle)
        if found is None:
            good = middle
        else:
            bad, reason = middle, found
    return Held(
        kept_float={
            node: f"sensitivity rank {place} of {len(ranking)}; with {bad or 'none'} of them in float {reason}"
            for place, node in enumerate(ranking[:good], 1)
        },
        history=tuple(history),
        all_float=good == len(ranking),
    )


def _holds(check: Check) -> bool:
    if check.drop.groups == 0:
        return True  # these frames do not hold the class; the test part may
    return check.drop.value <= check.limit if check.hopeless else check.verdict() == "pass"
