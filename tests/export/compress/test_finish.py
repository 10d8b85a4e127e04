"""From the winning trial to the bundle, and the one look at the test part."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest

from edgeneuro.errors import FrameError, GateError, OutputError, UsageError
from edgeneuro.export.compress.finish import BUNDLE, DISTILLED, FINAL, PRUNED, RESULT, TUNED, Result, finish
from edgeneuro.export.compress.judge import judge
from edgeneuro.export.compress.records import Candidate, Goal, Outcome
from edgeneuro.export.gate import Margin
from edgeneuro.manifest import Manifest
from edgeneuro.records import from_json
from edgeneuro.runtime import read_bundle
from edgeneuro.training.checkpoint import MODEL, lineage, read_config, read_metrics, read_split
from tests.export.compress.searched import Searched, searched

__all__ = ["searched"]
WINNER = Outcome(number=3, candidate=Candidate(image_size=32, share=0.3), state="complete")


@dataclass(frozen=True)
class Finished:
    study: Path
    out: Path
    manifest: Manifest

    @property
    def result(self) -> Result:
        return result_of(self.study)


def result_of(study: Path) -> Result:
    return from_json(Result, json.loads((study / RESULT).read_bytes()), RESULT)


@pytest.fixture(scope="module")
def finished(searched: Searched, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """First while no test frame can be read: everything up to the gate is done by then. Then again."""
    folder = tmp_path_factory.mktemp("finished")
    study, out = searched.fresh_study(folder / "study"), folder / "small.edge"
    kept = {path: path.read_bytes() for path in searched.test_files()}
    try:
        for path in kept:
            path.write_bytes(b"no image")
        with pytest.raises(FrameError):
            finish(searched.settings, searched.facts, WINNER, study, out)
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    assert (study / FINAL / DISTILLED).exists() and not (study / RESULT).exists() and not out.exists()
    steps: list[str] = []
    manifest = finish(searched.settings, searched.facts, WINNER, study, out, step=steps.append, progress=_untrained)
    return Finished(study, out, manifest)


def _untrained(progress: object) -> None:
    raise AssertionError(f"trained again: {progress}")


def test_each_step_starts_from_the_checkpoint_of_the_one_before(searched: Searched, finished: Finished) -> None:
    folders = [searched.base, *(finished.study / FINAL / name for name in (PRUNED, TUNED, DISTILLED))]
    configs = [read_config(folder) for folder in folders]
    for before, after in pairwise(configs):
        assert after.made_from is not None and after.made_from.checkpoint == before.files[MODEL]
        assert after.ancestors == lineage(before)
    assert [bool(config.taught) for config in configs] == [False, False, False, True]
    assert configs[1].surgery is not None and configs[1].surgery.shapes
    assert all(read_split(folder) == read_split(searched.base) for folder in folders)
    assert finished.result.checkpoints == {
        name: config.files[MODEL] for name, config in zip((PRUNED, TUNED, DISTILLED), configs[1:], strict=True)
    }
    assert all("test" not in read_metrics(folder) for folder in folders[1:])


def test_the_bundle_is_of_the_last_checkpoint_and_was_gated_on_the_test_part(
    searched: Searched, finished: Finished
) -> None:
    manifest = read_bundle(finished.out).manifest
    assert manifest == finished.manifest
    assert manifest.provenance["checkpoint"] == finished.result.checkpoints[DISTILLED]
    test = searched.part("test")
    assert manifest.gate is not None and manifest.gate.verdict == "pass" and manifest.gate.data.frames == len(test)
    assert manifest.accuracy is not None and manifest.split is not None
    assert manifest.split.test == read_split(searched.base).test
    assert (finished.study / FINAL / BUNDLE).read_bytes() == finished.out.read_bytes()


def test_the_result_holds_the_drop_against_the_base_on_the_test_part(searched: Searched, finished: Finished) -> None:
    result = finished.result
    assert result.written and result.test is not None and result.validation is not None and result.latency is not None
    again = judge(
        finished.out,
        searched.study / "base.edge",
        searched.part("test"),
        margin=Margin(asked="100", points=100.0),
        metric="balanced_accuracy",
        backend=result.latency.backend,
        precision=result.latency.precision,
    )
    assert result.test == again
    assert result.validation.gate.data.frames == len(searched.part("validation"))
    assert result.macs_share == result.macs / searched.facts.macs <= 0.3
    assert result.gate == finished.manifest.gate


def test_an_engine_that_cannot_be_shown_to_hold_is_not_written(
    searched: Searched, finished: Finished, tmp_path: Path
) -> None:
    study, out = searched.fresh_study(tmp_path / "study"), tmp_path / "small.edge"
    for name in (PRUNED, TUNED, DISTILLED):
        (study / FINAL).mkdir(exist_ok=True)
        (study / FINAL / name).symlink_to(finished.study / FINAL / name)
    strict = replace(searched.settings, goal=Goal(macs=0.5, max_drop="0.1"))
    with pytest.raises(GateError, match=r"cannot be shown to be inside --max-drop 0\.1") as refused:
        finish(strict, searched.facts, WINNER, study, out)
    assert refused.value.exit_code == 3 and not out.exists()
    result = result_of(study)
    assert not result.written and result.reason == str(refused.value)
    assert result.gate is not None and result.gate.verdict == "inconclusive" and result.test is None


def test_only_a_complete_trial_is_finished_and_nothing_is_overwritten(
    searched: Searched, finished: Finished, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="trial 3: ended as 'too slow'"):
        finish(searched.settings, searched.facts, replace(WINNER, state="too slow"), tmp_path, tmp_path / "a.edge")
    with pytest.raises(OutputError, match="exists already"):
        finish(searched.settings, searched.facts, WINNER, finished.study, finished.out)
