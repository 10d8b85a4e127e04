"""The search: what is tried, what is kept, what is gone on with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from edgeneuro.errors import CheckpointError, DataError, InputError, OutputError, UsageError
from edgeneuro.export.compress import study
from edgeneuro.export.compress.advise import Past, hopeless, propose
from edgeneuro.export.compress.cluster import RunTrial, Workers, work
from edgeneuro.export.compress.progress import held
from edgeneuro.export.compress.records import Candidate, Goal, Outcome, SearchSettings
from edgeneuro.export.compress.study import Found, excess, prepare_folder, search, winner
from tests.export.compress.fake_trials import (
    BASE,
    complete,
    facts,
    faulty,
    hasty,
    here,
    instant,
    quality,
    suggest,
    unlucky,
    without_data,
)

HALF = SearchSettings(base="base", goal=Goal(macs=0.5), trials=8, epochs=3, seed=1)


@contextmanager
def nowhere() -> Iterator[Workers]:
    """For a search that has nothing left to run."""
    raise AssertionError("a cluster was opened")
    yield


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search looks more often than it needs to with real trials."""
    monkeypatch.setattr(study, "POLL_S", 0.005)


def run(folder: Path, settings: SearchSettings = HALF, trial: RunTrial = instant, **options: Any) -> Found:
    """A search in `folder`, gone on with where there is one."""
    prepare_folder(folder, resume=True, force=False)
    return search(settings, folder, **{"cluster": here, "run": trial, "facts": facts, "suggest": suggest} | options)


def candidates(found: Found) -> list[Candidate]:
    return [outcome.candidate for outcome in found.outcomes]


def test_the_winner_is_the_best_inside_the_goal_and_every_outcome_is_on_disk(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert [outcome.number for outcome in found.outcomes] == list(range(8))
    inside = [candidate for candidate in candidates(found) if candidate.share <= 0.5]
    assert 0 < len(inside) < 8  # both sides of the limit were seen
    assert found.winner is not None
    assert found.winner.candidate == max(inside, key=quality)
    for outcome in found.outcomes:
        there = json.loads((tmp_path / "trials" / str(outcome.number) / "outcome.json").read_text())
        assert there["state"] == outcome.state
        assert there["candidate"]["share"] == outcome.candidate.share


def test_the_same_seed_tries_the_same_and_another_does_not(tmp_path: Path) -> None:
    first, again, other = (
        run(tmp_path / name, replace(HALF, seed=seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert candidates(first) == candidates(again)
    assert candidates(first) != candidates(other)


def test_a_search_that_was_interrupted_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    settings = replace(HALF, trials=14)  # past the trials that are drawn at random

    told: set[int] = set()

    def interrupt(outcome: Outcome) -> None:
        if outcome.number in (4, 9) and outcome.number not in told:
            told.add(outcome.number)
            raise KeyboardInterrupt

    whole = run(tmp_path / "whole", settings)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "parts", settings, progress=interrupt)
    assert run(tmp_path / "parts", settings).outcomes == whole.outcomes


def test_a_trial_that_was_running_when_the_search_ended_is_run_again_as_it_was_proposed(tmp_path: Path) -> None:
    found = run(tmp_path)
    (tmp_path / "trials" / "7" / "outcome.json").unlink()
    proposal = json.loads((tmp_path / "trials" / "7" / "proposal.json").read_text())
    proposal["candidate"]["share"] = 0.4321  # what is on disk is what is run
    (tmp_path / "trials" / "7" / "proposal.json").write_text(json.dumps(proposal))
    again = run(tmp_path)
    assert again.outcomes[:7] == found.outcomes[:7]
    assert again.outcomes[7].candidate.share == 0.4321


def test_a_finished_search_returns_without_opening_a_cluster(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert run(tmp_path, cluster=nowhere) == found


def test_more_trials_may_be_asked_for_later_and_are_those_of_the_longer_search(tmp_path: Path) -> None:
    run(tmp_path / "grown")
    longer = replace(HALF, trials=12)
    grown, whole = run(tmp_path / "grown", longer), run(tmp_path / "whole", longer)
    assert grown.outcomes == whole.outcomes


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"epochs": 4}, "epochs 3, now got 4"),
        ({"seed": 2}, "seed 1, now got 2"),
        ({"goal": Goal(macs=0.4)}, "macs 0.5, now got 0.4"),
        ({"goal": Goal(macs=0.5, max_drop="2")}, "max drop '1', now got '2'"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    run(tmp_path)
    with pytest.raises(CheckpointError, match=named):
        run(tmp_path, replace(HALF, **change))


def test_other_weights_under_the_same_name_are_refused(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(CheckpointError, match="now holds bbbbbbbbbbbb"):
        run(tmp_path, facts=lambda _: replace(BASE, weights="b" * 64))


def test_two_searches_do_not_work_in_one_folder(tmp_path: Path) -> None:
    prepare_folder(tmp_path, resume=False, force=False)
    with held(tmp_path / "lock", wait=True), pytest.raises(UsageError, match="another process works on this search"):
        run(tmp_path)


def test_a_folder_is_gone_on_with_or_thrown_away_only_when_asked(tmp_path: Path) -> None:
    run(tmp_path / "search")
    with pytest.raises(OutputError, match="--resume to go on, or --force"):
        prepare_folder(tmp_path / "search", resume=False, force=False)
    prepare_folder(tmp_path / "search", resume=False, force=True)
    assert not list((tmp_path / "search" / "trials").iterdir())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    for resume, force in ((False, False), (True, False), (False, True)):
        with pytest.raises(OutputError, match="is no search"):
            prepare_folder(tmp_path / "other", resume=resume, force=force)
    assert (tmp_path / "other" / "thesis.tex").exists()


def test_a_search_whose_base_cannot_be_read_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    def unreadable(settings: SearchSettings) -> Any:
        raise CheckpointError("base: is not a checkpoint folder")

    with pytest.raises(CheckpointError, match="not a checkpoint"):
        run(tmp_path, facts=unreadable)
    prepare_folder(tmp_path, resume=False, force=False)


def test_a_trial_far_below_the_others_is_stopped_and_the_rest_are_not(tmp_path: Path) -> None:
    found = run(tmp_path, replace(HALF, trials=5, epochs=9), hasty)
    assert [one.state for one in found.outcomes] == ["complete"] * 3 + ["stopped early", "complete"]
    assert found.outcomes[3].epochs == 4  # the first third is left alone
    assert (tmp_path / "trials" / "3" / "stop").read_text() == "3\n"


def test_a_trial_that_ended_before_it_could_see_that_it_was_hopeless_is_not_taken(tmp_path: Path) -> None:
    def sinking(*arguments: Any) -> Outcome:
        number, report = arguments[2], arguments[-1]
        for epoch in range(9):
            report(epoch, 0.8 - 0.1 * number)  # and does not look
        return complete(number, arguments[3], 9, 0.9 + 0.01 * number)

    found = run(tmp_path, replace(HALF, trials=4, epochs=9, goal=Goal(latency_ms=9.0)), sinking)
    assert [one.state for one in found.outcomes] == ["complete"] * 3 + ["stopped early"]
    assert "after epoch 4" in found.outcomes[3].reason
    assert found.winner is not None
    assert found.winner.number == 2


def test_a_fault_in_one_trial_is_its_outcome_and_the_others_go_on(tmp_path: Path) -> None:
    found = run(tmp_path, trial=faulty)
    assert found.outcomes[1].state == "failed"
    assert found.outcomes[1].reason == "TypeError: no number; see error.txt in its folder"
    assert "in faulty" in (tmp_path / "trials" / "1" / "error.txt").read_text()
    assert all(one.state != "failed" for one in (found.outcomes[0], *found.outcomes[2:]))


def test_a_search_in_which_every_trial_fails_ends_after_three_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"first 3 trials failed.*the least that can be kept is 0.9"):
        run(tmp_path, trial=unlucky)
    assert len(list((tmp_path / "trials").iterdir())) == 3


def test_what_would_keep_any_trial_from_running_ends_the_search_and_the_trial_is_run_again_later(
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError, match="lung: is not here"):
        run(tmp_path, trial=without_data)
    assert run(tmp_path).outcomes == run(tmp_path / "whole").outcomes


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is not there on worker"):
        work(instant, HALF, BASE, 0, Candidate(image_size=64, share=0.5), tmp_path / "elsewhere")


def outcome(number: int, score: float, macs: int, state: Any = "complete") -> Outcome:
    return replace(complete(number, Candidate(image_size=64, share=macs / BASE.macs), 3, score), macs=macs, state=state)


def test_of_equal_scores_the_fewer_operations_win() -> None:
    ones = (outcome(0, 0.8, 400_000), outcome(1, 0.8, 300_000), outcome(2, 0.7, 1))
    found = winner(ones, Goal(macs=0.5), BASE)
    assert found is not None and found.number == 1


def test_what_is_above_the_goal_or_did_not_end_never_wins() -> None:
    ones = (outcome(0, 0.9, 500_001), outcome(1, 0.9, 400_000, "stopped early"), outcome(2, 0.1, 500_000))
    found = winner(ones, Goal(macs=0.5), BASE)
    assert found is not None and found.number == 2
    assert winner(ones[:2], Goal(macs=0.5), BASE) is None


def test_excess_is_a_share_of_the_goal() -> None:
    one = outcome(0, 0.5, 600_000)  # takes 0.6 ms
    assert excess(one, Goal(macs=0.5), BASE) == pytest.approx(0.2)
    assert excess(one, Goal(latency_ms=0.4), BASE) == pytest.approx(0.5)
    assert excess(one, Goal(latency_ms=0.6), BASE) == 0.0
    assert excess(replace(one, latency_ms=None), Goal(latency_ms=9.0), BASE) == 1.0


def suggest_share(trial: optuna.Trial) -> Candidate:
    return Candidate(image_size=64, share=trial.suggest_float("share", 0, 1))


def past(number: int, share: float, state: Any, above: float = 0.0, scores: Any = None) -> Past:
    """A trial whose score is its share."""
    candidate = Candidate(image_size=64, share=share)
    made = propose([], seed=0, number=number, suggest=suggest_share)
    return Past(
        proposal=replace(made, candidate=candidate, parameters={"share": share}),
        outcome=replace(complete(number, candidate, 3, share), state=state),
        excess=above,
        scores=scores or {},
    )


def proposals(history: list[Past]) -> list[float]:
    """Shares proposed with 30 seeds."""
    return [
        propose(history, seed=seed, number=len(history), suggest=suggest_share).candidate.share for seed in range(30)
    ]


def test_the_sampler_learns_to_stay_inside_the_goal() -> None:
    shares = [i / 20 for i in range(1, 20)]
    limited = [past(n, x, *(("too slow", x / 0.5 - 1) if x > 0.5 else ("complete", 0.0))) for n, x in enumerate(shares)]
    free = [past(n, x, "complete") for n, x in enumerate(shares)]
    inside = [sum(share <= 0.55 for share in proposals(history)) for history in (limited, free)]
    assert inside[0] > 22  # of 30
    assert inside[1] < 12  # without the limit more is better


def test_hopeless_is_what_stays_below_the_median_after_the_first_third() -> None:
    history = [past(n, 0.5, "complete", scores={0: 0.2, 1: 0.4 + 0.1 * n, 2: 0.5 + 0.1 * n}) for n in range(3)]
    assert hopeless(history, {0: 0.1, 1: 0.49}, epochs=5)
    assert not hopeless(history, {0: 0.1, 1: 0.51}, epochs=5)
    assert not hopeless(history, {0: 0.55, 1: 0.1}, epochs=5)  # its best epoch counts
    assert not hopeless(history, {0: 0.0}, epochs=5)
    assert not hopeless(history, {0: 0.0, 1: 0.0}, epochs=2)  # nothing left to save
    assert not hopeless(history[:2], {0: 0.1, 1: 0.1}, epochs=5)  # too few to compare with
