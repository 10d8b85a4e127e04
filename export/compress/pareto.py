"""What a search found, as a document: every trial, which of them no other beats, and why the winner won.

Scores of trials are of the validation part. The test part is in `result` alone, which is there once the search has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgeneuro.export.compress.records import BaseFacts, Goal, Outcome, SearchSettings
from edgeneuro.export.compress.study import Found
from edgeneuro.records import to_json

SCHEMA = 1

Cost = Callable[[Outcome], float | None]


@dataclass(frozen=True, kw_only=True)
class ParetoDocument:
    """pareto.json. model: name of the base's. base_score: of the base in float on the validation part, None until a trial was
    judged. not_beaten: by "macs" and by "ms" the numbers of the trials to which no other is at least as good in score and
    cost and better in one, cheapest first. winner: number of the trial. why: it won, or that none did. result: of
    edgeneuro.export.compress.finish, with the test part."""

    schema: int = SCHEMA
    model: str
    settings: SearchSettings
    base: BaseFacts
    base_score: float | None
    trials: tuple[Outcome, ...]
    not_beaten: dict[str, tuple[int, ...]]
    winner: int | None
    why: str
    result: Any = None


def document(model: str, found: Found, result: Any = None) -> ParetoDocument:
    """result: edgeneuro.export.compress.finish.Result."""
    scores = [outcome.facts["base_score"] for outcome in found.outcomes if "base_score" in outcome.facts]
    return ParetoDocument(
        model=model,
        settings=found.settings,
        base=found.base,
        base_score=scores[0] if scores else None,
        trials=found.outcomes,
        not_beaten={
            name: tuple(outcome.number for outcome in front(found.outcomes, cost)) for name, cost in COSTS.items()
        },
        winner=found.winner.number if found.winner else None,
        why=why(found),
        result=to_json(result),
    )


def front(outcomes: Sequence[Outcome], cost: Cost) -> list[Outcome]:
    """Those with a score that no other beats, cheapest first."""
    known = [(spent, -_score(one), one) for one in outcomes if one.score and (spent := cost(one)) is not None]
    kept = [
        (spent, lost, one)
        for spent, lost, one in known
        if not any(x <= spent and y <= lost and (x, y) != (spent, lost) for x, y, _ in known)
    ]
    return [one for _, _, one in sorted(kept, key=lambda row: (row[0], row[2].number))]


def _score(outcome: Outcome) -> float:
    assert outcome.score is not None
    return outcome.score.value


def _macs(outcome: Outcome) -> float | None:
    return outcome.macs


def _ms(outcome: Outcome) -> float | None:
    return outcome.latency_ms[0] if outcome.latency_ms else None


COSTS: dict[str, Cost] = {"macs": _macs, "ms": _ms}
"""What accuracy is put against."""


def why(found: Found) -> str:
    """In words."""
    complete = [one for one in found.outcomes if one.state == "complete"]
    goal = goal_words(found.settings.goal)
    if found.winner is None:
        return f"None of {len(found.outcomes)} trials is complete and inside {goal}. {nearest(found)}"
    best = _score(found.winner)
    others = [one for one in complete if one.number != found.winner.number]
    text = f"Trial {found.winner.number} has the best validation score of {len(complete)} complete trials inside {goal}"
    equal = [one for one in others if _score(one) == best]
    if equal:
        return f"{text}; {len(equal)} more reached it with as many multiply-accumulates or more."
    if not others:
        return f"{text}."
    second = max(others, key=_score)
    return f"{text}, {100 * (best - _score(second)):.2f} points above trial {second.number}."


def nearest(found: Found) -> str:
    """The trial nearest to the goal; where none was measured, what happened to the first."""
    cost = _macs if found.settings.goal.macs is not None else _ms
    measured = [(spent, one.number) for one in found.outcomes if (spent := cost(one)) is not None]
    if not measured:
        return "".join(f"Trial {one.number} {one.state}: {one.reason}." for one in found.outcomes[:1])
    least, number = min(measured)
    if found.settings.goal.macs is not None:
        return f"The least was {least / found.base.macs:.3f} of the base's multiply-accumulates, in trial {number}."
    return f"The fastest was trial {number} with {least:.3g} ms."


def goal_words(goal: Goal) -> str:
    """ "0.3 ms" or "0.15 of the base's multiply-accumulates"."""
    if goal.latency_ms is not None:
        return f"{goal.latency_ms:g} ms"
    return f"{goal.macs:g} of the base's multiply-accumulates"
