"""The simulation behind the gate's error rates: its worlds have the drop they claim, its tables are written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks import gate_correlation, gate_error_rates
from edgeneuro.benchmarks.gate_correlation import correlation_of, measure
from edgeneuro.benchmarks.gate_error_rates import Case, cases, outcomes_of
from edgeneuro.benchmarks.out_of_fold import Fold, frame_id, write_fold
from edgeneuro.export.accuracy import drop
from tests.benchmarks.frames import flat_data

CASE = Case(frames="5 to 40", classes="3 unequal", groups=40, drop=6.0)


@pytest.mark.parametrize(
    "case", [CASE, replace(CASE, gains=0.3), replace(CASE, smallest=True), replace(CASE, correlation=0.0)]
)
def test_the_mean_drop_over_many_draws_is_the_one_that_was_asked_for(case: Case) -> None:
    worlds = outcomes_of(case, np.random.default_rng(0))
    seen = [drop(next(worlds), "engine", "balanced_accuracy").value for _ in range(300)]
    assert np.mean(seen) == pytest.approx(6.0, abs=3 * np.std(seen) / np.sqrt(300))


def test_changes_within_a_group_correlate_as_asked() -> None:
    worlds = outcomes_of(replace(CASE, groups=400, correlation=0.3), np.random.default_rng(1))
    outcomes = next(worlds)
    changed = 1.0 - outcomes.agreement["engine"]
    assert correlation_of(changed, outcomes.groups) == pytest.approx(0.3, abs=0.08)


def test_correlation_is_one_where_groups_are_alike_and_zero_where_they_do_not_matter() -> None:
    groups = [str(i // 5) for i in range(50)]
    assert correlation_of(np.repeat(np.arange(10.0), 5), groups) == pytest.approx(1.0)
    assert correlation_of(np.tile(np.arange(5.0), 10), groups) < 0.0


def test_the_result_is_written_with_its_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    few = [("at the margin", replace(CASE, groups=8)), ("inside", replace(CASE, drop=0.0))]
    monkeypatch.setattr(gate_error_rates, "cases", lambda: few)
    gate_error_rates.simulate(repeats=4, seed=0)
    written = json.loads((tmp_path / "docs/results/gate_error_rates.json").read_text())
    assert [row["groups"] for row in written["rows"]] == [8, 40]
    assert written["context"]["repetitions"] == 4
    assert len(cases()) > 50, "the whole study is larger"


def test_real_predictions_are_measured_fold_by_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = flat_data()
    truth = np.eye(3)[[sample.target for sample in data.samples if sample.target is not None]]
    worse = np.roll(truth, 1, axis=1) * 0.9
    worse[4:] = truth[4:]
    for fold, rows in enumerate((slice(0, 18), slice(18, 36))):
        ids = tuple(frame_id(sample) for sample in data.samples[rows])
        tables = {"fp32": truth[rows], "int8": worse[rows]}
        write_fold(tmp_path / "study" / f"fold{fold}.npz", Fold(ids=ids, tables=tables, facts={}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gate_correlation, "open_data", lambda name: data)
    measure([tmp_path / "study"], "flat")
    (row,) = json.loads((tmp_path / "docs/results/gate_correlation.json").read_text())["rows"]
    assert (row["frames"], row["groups"], row["losses"], row["gains"], row["changed"]) == (36, 12, 4, 0, 4)
    assert row["correlation"] > 0.5
    assert row["1"].startswith("inconclusive: ")
