"""The study goes on where it stopped, and its tables come from the folds alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks.out_of_fold import Fold, frame_id
from edgeneuro.benchmarks.real_data import Method, run_method
from edgeneuro.benchmarks.real_tables import Study, write_tables
from edgeneuro.data.sample import DataSet
from edgeneuro.data.split import Split
from edgeneuro.errors import UsageError
from tests.benchmarks.frames import flat_data

DATA = flat_data()


class Counting:
    """A method that is right about every test frame and remembers which folds it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, dataset: DataSet, split: Split, _: Path) -> Fold:
        self.asked.append(split.fold)
        test = split.part(dataset.samples, "test")
        table = np.eye(3)[[sample.target for sample in test if sample.target is not None]]
        return Fold(ids=tuple(map(frame_id, test)), tables={"right": table}, facts={"note": split.fold})


def test_a_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    run = Counting()
    method = Method(name="right", run=run, settings={"seed": 0})
    run_method(method, DATA, [0], tmp_path, seed=0)
    folds = run_method(method, DATA, [0, 1], tmp_path, seed=0)
    assert run.asked == [0, 1]
    assert [fold.facts["note"] for fold in folds] == [0, 1]
    assert {name for fold in folds for name in fold.ids} == {frame_id(sample) for sample in DATA.samples}


def test_folds_made_with_other_settings_are_not_mixed_in(tmp_path: Path) -> None:
    run_method(Method(name="right", run=Counting(), settings={"seed": 0}), DATA, [0], tmp_path, seed=0)
    with pytest.raises(UsageError, match=r"was made with .*'seed': 0.*, asked for .*'seed': 1"):
        run_method(Method(name="right", run=Counting(), settings={"seed": 1}), DATA, [0], tmp_path, seed=0)


def test_the_tables_show_every_method_by_frame_and_by_exam_and_reach_the_readme(tmp_path: Path) -> None:
    truth = np.eye(3)[[sample.target for sample in DATA.samples if sample.target is not None]]
    worse = truth.copy()
    worse[:6] = np.roll(worse[:6], 1, axis=1)
    readme = tmp_path / "README.md"
    readme.write_text("<!-- results:flat -->\n<!-- /results:flat -->\n")
    fact = {"seconds": 3600.0, "date": "2026-01-02", "settings": {"seed": 0}, "macs": 26_609_136}
    chosen = [{**fact, "validation_macro_f1": value, "best_epoch": 3} for value in (0.25, 0.75)]
    (tmp_path / "flat.notes.md").write_text("Found\nout later.\n")
    study = Study(
        name="flat",
        dataset=DATA,
        tables={"stanet-fp32": truth, "stanet-int8": worse},
        facts={"stanet": chosen},
        by="visit",
        seed=0,
        script="python -m study",
    )
    write_tables(study, readme=readme, folder=tmp_path)
    rows = json.loads((tmp_path / "flat.json").read_text())["rows"]
    assert [(row["graph"], row["unit"]) for row in rows] == [
        (graph, unit) for unit in ("frame", "visit") for graph in ("stanet-fp32", "stanet-int8")
    ]
    assert rows[1]["accuracy"].startswith("83.3 [")
    assert rows[1]["difference"].startswith("-16.7 [")
    assert "36 frames, 24 by visit, 12 groups" in readme.read_text()
    assert "| STANet, INT8 engine | 26.6 | 83.3 [" in readme.read_text()
    assert "2.0 h in all" in readme.read_text()
    words = (tmp_path / "flat.md").read_text()
    assert "Class dark: 12 frames of 4 groups; the largest holds 25 % of them." in words
    assert "STANet, FP32 engine: macro-F1 on validation / test by fold: 0.25 / 1.00 (epoch 3), 0.75 / 1.00" in words
    assert "Found out later." in words
