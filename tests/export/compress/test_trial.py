"""One trial of a search, from the base to its outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from edgeneuro.errors import FrameError, OutputError
from edgeneuro.export.compress.records import Candidate, Goal, Outcome, SearchSettings
from edgeneuro.export.compress.steps import without_test
from edgeneuro.export.compress.trial import (
    BUNDLE,
    CUT,
    CUT_BUNDLE,
    CUT_FACTS,
    OUTCOME,
    TRAINED,
    run_trial,
)
from edgeneuro.records import from_json, to_json
from edgeneuro.runtime import read_bundle
from edgeneuro.training.checkpoint import MODEL, lineage, read_config, read_metrics, read_split
from edgeneuro.training.keeper import Keeper
from tests.export.compress.searched import Searched, searched
from tests.export.prune.toy import macs_by_hand
from tests.training.killing import Killed

__all__ = ["searched"]
SMALLER = Candidate(image_size=32, share=0.5)
"""The smaller input alone is enough: (32 / 48)^2 = 0.44."""


class Reports:
    """Remembers what was reported, and answers each epoch with `answer`."""

    def __init__(self, answer: Callable[[int], bool] = lambda epoch: False) -> None:
        self.answer = answer
        self.scores: dict[int, float] = {}

    def __call__(self, epoch: int, score: float) -> bool:
        self.scores[epoch] = score
        return self.answer(epoch)


def never(epoch: int, score: float) -> bool:
    raise AssertionError(f"epoch {epoch} was trained")


def run(
    searched: Searched,
    study: Path,
    candidate: Candidate = SMALLER,
    *,
    report: Callable[[int, float], bool] = never,
    settings: SearchSettings | None = None,
) -> Outcome:
    return run_trial(settings or searched.settings, searched.facts, 7, candidate, study / "trials" / "7", report)


@pytest.fixture(scope="module")
def study(searched: Searched, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one complete trial, run while no test frame could be read."""
    folder = searched.fresh_study(tmp_path_factory.mktemp("complete") / "study")
    kept = {path: path.read_bytes() for path in searched.test_files()}
    try:
        for path in kept:
            path.write_bytes(b"no image")
        with pytest.raises(FrameError):
            data = searched.part("test")
            data.read(data.samples[0])
        run(searched, folder, report=Reports())
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    return folder


def outcome_of(study: Path) -> Outcome:
    written = study / "trials" / "7" / OUTCOME
    return from_json(Outcome, json.loads(written.read_bytes()), str(written))


def test_a_trial_needs_no_test_frame_and_none_of_its_records_speaks_of_the_test_part(study: Path) -> None:
    assert outcome_of(study).state == "complete"
    trial = study / "trials" / "7"
    assert "test" not in read_metrics(trial / TRAINED) and "test" not in read_metrics(trial / TRAINED)["before"]
    for path in trial.rglob("*.json"):
        if path.name != "split.json":
            assert "test" not in keys(json.loads(path.read_bytes())), path
    for bundle in (trial / BUNDLE, study / "base.edge"):
        manifest = read_bundle(bundle).manifest
        assert manifest.accuracy is None and manifest.gate is None


def keys(value: Any) -> set[str]:
    """All names in a JSON value."""
    if isinstance(value, dict):
        return set(value) | {name for item in value.values() for name in keys(item)}
    return {name for item in value for name in keys(item)} if isinstance(value, list) else set()


def test_the_outcome_says_what_was_built_and_how_it_does_on_the_validation_part(
    searched: Searched, study: Path
) -> None:
    outcome = outcome_of(study)
    assert (outcome.number, outcome.candidate, outcome.reason) == (7, SMALLER, "")
    assert outcome.macs == macs_by_hand(32) and outcome.params == searched.facts.params
    assert outcome.epochs == 2 and outcome.seconds > 0.0
    assert outcome.latency_ms is not None and outcome.backend is not None and outcome.facts["latency_ratio"] > 0.0
    assert outcome.score is not None and outcome.drop_points is not None
    lost = 100.0 * (outcome.facts["base_score"] - outcome.score.value)
    assert outcome.drop_points.value == pytest.approx(lost)
    assert from_json(Outcome, to_json(outcome), "outcome") == outcome


def test_its_checkpoints_come_one_from_the_other_and_keep_the_split_of_the_base(
    searched: Searched, study: Path
) -> None:
    trial, base = study / "trials" / "7", read_config(searched.base)
    cut, trained = read_config(trial / CUT), read_config(trial / TRAINED)
    assert cut.made_from is not None and cut.made_from.checkpoint == base.files[MODEL]
    assert trained.made_from is not None and trained.made_from.checkpoint == cut.files[MODEL]
    assert trained.ancestors == lineage(cut) == (*lineage(base), trained.ancestors[-1])
    assert trained.taught["teacher"] == base.files[MODEL]
    assert read_split(trial / CUT) == read_split(trial / TRAINED) == read_split(searched.base)
    assert trained.frame_preprocess.height == 32
    assert not without_test(read_split(searched.base)).part(searched.part("test").samples, "test")


def test_a_finished_trial_is_not_run_again(searched: Searched, study: Path) -> None:
    assert run(searched, study) == outcome_of(study)


def test_a_trial_that_was_killed_after_training_only_builds_and_judges(searched: Searched, study: Path) -> None:
    before, trial = outcome_of(study), study / "trials" / "7"
    cut = (trial / CUT_FACTS).stat().st_mtime_ns
    (trial / OUTCOME).unlink()
    again = run(searched, study)
    assert (again.score, again.drop_points, again.macs, again.epochs) == (
        before.score,
        before.drop_points,
        before.macs,
        before.epochs,
    )
    assert (trial / CUT_FACTS).stat().st_mtime_ns == cut


def test_a_trial_that_was_killed_in_training_goes_on_and_ends_as_an_undisturbed_one(
    searched: Searched, study: Path, tmp_path: Path
) -> None:
    folder = searched.fresh_study(tmp_path / "study")

    def kill(epoch: int) -> bool:
        raise Killed

    with pytest.raises(Killed):
        run(searched, folder, report=Reports(kill))
    assert not (folder / "trials" / "7" / OUTCOME).exists()
    trained: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        start = Keeper.on_train_epoch_start

        def noted(keeper: Keeper, trainer: Any, module: Any) -> None:
            trained.append(trainer.current_epoch)
            start(keeper, trainer, module)

        patch.setattr(Keeper, "on_train_epoch_start", noted)
        outcome = run(searched, folder, report=Reports())
    assert trained == [1] and outcome.epochs == 2
    mine, theirs = (load_file(of / "trials" / "7" / TRAINED / MODEL) for of in (folder, study))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert outcome.score == outcome_of(study).score


def test_every_epoch_is_reported_with_its_score_and_a_hopeless_trial_ends(searched: Searched, tmp_path: Path) -> None:
    folder = searched.fresh_study(tmp_path / "study")
    reports = Reports(lambda epoch: epoch == 1)
    settings = replace(searched.settings, epochs=3)
    outcome = run(searched, folder, report=reports, settings=settings)
    assert (outcome.state, outcome.epochs) == ("stopped early", 2)
    assert outcome.score is None and outcome.macs == macs_by_hand(32)
    assert list(reports.scores) == [0, 1] and all(0.0 <= score <= 1.0 for score in reports.scores.values())
    assert not list((folder / "trials" / "7").glob(f"{TRAINED}*"))
    assert run(searched, folder) == outcome


def test_too_many_operations_are_found_out_before_training(searched: Searched, tmp_path: Path) -> None:
    folder = searched.fresh_study(tmp_path / "study")
    settings = replace(searched.settings, goal=Goal(macs=0.3))
    outcome = run(searched, folder, settings=settings)
    assert outcome.state == "too slow" and outcome.epochs == 0 and outcome.macs == macs_by_hand(32)
    share = macs_by_hand(32) / macs_by_hand(48)
    assert f"{share:.3f} of the base, above the goal of 0.3" in outcome.reason
    assert not list((folder / "trials" / "7").glob(f"{TRAINED}*"))


def test_a_network_that_takes_too_long_is_found_out_before_training(searched: Searched, tmp_path: Path) -> None:
    folder = searched.fresh_study(tmp_path / "study")
    settings = replace(searched.settings, goal=Goal(latency_ms=1e-6), backends=())
    outcome = run(searched, folder, replace(SMALLER, precision="fp32"), settings=settings)
    assert outcome.state == "too slow" and "above the goal of 1e-06 ms" in outcome.reason
    assert outcome.latency_ms is not None and outcome.score is None
    assert (folder / "trials" / "7" / CUT_BUNDLE).exists()
    assert not list((folder / "trials" / "7").glob(f"{TRAINED}*"))


def test_a_candidate_is_cut_as_it_says_and_its_most_sensitive_layers_stay_in_float(
    searched: Searched, tmp_path: Path
) -> None:
    folder = searched.fresh_study(tmp_path / "study")
    candidate = Candidate(
        image_size=48,
        share=0.3,
        strength={"blocks.0": 2.0, "blocks.1": 0.5},
        removed=("blocks.1",),
        precision="int8",
        kept_float=1,
    )
    outcome = run(searched, folder, candidate, report=Reports(), settings=replace(searched.settings, epochs=1))
    assert (outcome.state, outcome.reason) == ("complete", "")
    assert outcome.macs is not None and outcome.macs <= 0.3 * searched.facts.macs
    config = read_config(folder / "trials" / "7" / TRAINED)
    assert config.surgery is not None and config.surgery.removed == ("blocks.1",)
    kept = [
        why
        for graph in read_bundle(folder / "trials" / "7" / BUNDLE).manifest.graphs
        for why in graph.kept_float.values()
    ]
    assert any("sensitivity rank 1 of" in why for why in kept)


def test_what_cannot_be_cut_is_a_failed_trial_that_says_why(searched: Searched, tmp_path: Path) -> None:
    folder = searched.fresh_study(tmp_path / "study")
    outcome = run(searched, folder, replace(SMALLER, share=1e-4))
    assert outcome.state == "failed" and "cannot be reached" in outcome.reason and outcome.epochs == 0


def test_a_folder_of_another_candidate_is_refused(searched: Searched, study: Path) -> None:
    with pytest.raises(OutputError, match="holds a trial of another candidate"):
        run(searched, study, replace(SMALLER, share=0.6))
