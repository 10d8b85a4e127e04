"""What to try next, and which trial is hopeless: Optuna, as a function of what was found so far.

Its study is made anew from the records on disk whenever it is asked, and the sampler's seed is that of the search and the
number of the trial. So a search that went on after an interrupt is asked the same as one that never stopped, and there is
no second account of the trials that could contradict the first. Nothing here waits or writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from edgeneuro.export.compress.records import Candidate, Outcome

Suggest = Callable[[optuna.Trial], Candidate]

AT_RANDOM = 6
"""Trials before the sampler begins to learn."""
TO_COMPARE = 3
"""Complete trials before another can be hopeless."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A candidate with Optuna's account of it. parameters: name -> value. distributions: name -> Optuna's JSON of where
    the value was drawn from."""

    number: int
    candidate: Candidate
    parameters: Mapping[str, Any]
    distributions: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Past:
    """One trial so far. outcome: None while it runs. scores: epoch -> score, up to the epoch that decided to stop it.
    excess: how far above the goal it is, as a share of the goal; 0 where inside."""

    proposal: Proposal
    outcome: Outcome | None = None
    scores: Mapping[int, float] = field(default_factory=dict)
    excess: float = 0.0


def propose(history: Sequence[Past], *, seed: int, number: int, suggest: Suggest) -> Proposal:
    """The next candidate. number: of its trial. seed: of the search."""
    study = _study(history)
    own_seed = np.random.SeedSequence([seed, number]).generate_state(1)[0]
    study.sampler = optuna.samplers.TPESampler(n_startup_trials=AT_RANDOM, seed=int(own_seed))
    trial = study.ask()
    candidate = suggest(trial)
    distributions = {name: json.loads(distribution_to_json(one)) for name, one in trial.distributions.items()}
    return Proposal(number=number, candidate=candidate, parameters=trial.params, distributions=distributions)


def hopeless(history: Sequence[Past], scores: Mapping[int, float], *, epochs: int) -> bool:
    """Whether the best of `scores` is below the median of what complete trials had by the same epoch.

    scores: epoch, counted from 0, -> score so far. epochs: of a trial; nothing is hopeless in the first third of them,
    nor after the last, when only the measuring is left.
    """
    last = max(scores)
    if last >= epochs - 1:
        return False
    study = _study(history)
    pruner = optuna.pruners.MedianPruner(
        n_startup_trials=TO_COMPARE, n_warmup_steps=epochs // 3, n_min_trials=TO_COMPARE
    )
    return pruner.prune(study, optuna.create_trial(state=TrialState.RUNNING, intermediate_values=dict(scores)))


def _study(history: Sequence[Past]) -> optuna.Study:
    """In memory, with every trial of `history`."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(direction="maximize")
    finally:
        optuna.logging.set_verbosity(level)
    for past in history:
        study.add_trial(_trial(past))
    return study


def _trial(past: Past) -> FrozenTrial:
    """As Optuna has it: one above the goal is pruned before its first epoch and infeasible, by how much is its constraint."""
    outcome, state, value = past.outcome, TrialState.RUNNING, None
    if outcome is not None:
        if outcome.state == "complete" and outcome.score is not None:
            state, value = TrialState.COMPLETE, outcome.score.value
        else:
            state = TrialState.FAIL if outcome.state == "failed" else TrialState.PRUNED
    return optuna.create_trial(
        state=state,
        value=value,
        params=dict(past.proposal.parameters),
        distributions={
            name: json_to_distribution(json.dumps(one)) for name, one in past.proposal.distributions.items()
        },
        intermediate_values=dict(past.scores),
        constraints=None if outcome is None or outcome.state == "failed" else {"goal": past.excess},
    )
