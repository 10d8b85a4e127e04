"""The study on fewer operations: every recipe keeps its folds, and the tables come from the folds alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks import fewer_operations
from edgeneuro.benchmarks.fewer_operations import finished, method_of
from edgeneuro.benchmarks.fewer_recipes import RECIPES, Common, recipe_named
from edgeneuro.benchmarks.fewer_tables import FewerStudy, write_study
from edgeneuro.benchmarks.fewer_times import measure
from edgeneuro.benchmarks.out_of_fold import Fold, frame_id, write_fold
from edgeneuro.benchmarks.real_data import run_method
from edgeneuro.data import open_data
from edgeneuro.errors import UsageError
from tests.benchmarks.frames import flat_data
from tests.noise import write_noise

FACT = {
    "macs": 26_609_136,
    "params": 500_000,
    "settings": {"seed": 0, "image_size": 128},
    "training_seconds": 60.0,
    "validation_balanced_accuracy": 0.75,
    "best_epoch": 3,
    "hardware": {"device": "cpu"},
    "date": "2026-01-02",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of noise in two folds, six groups of two frames each."""
    path = tmp_path_factory.mktemp("noise")
    write_noise(path, side=32, groups=6, frames=2, folds=2)
    return path


def test_a_recipe_predicts_its_test_part_and_leaves_its_checkpoint(folder: Path, tmp_path: Path) -> None:
    common = Common(data=str(folder), folder=tmp_path, image_size=32, epochs=1, patience=1, seed=0)
    dataset = open_data(str(folder))
    recipe = RECIPES["stanet-no-attention"]
    (fold,) = run_method(method_of(recipe, common), dataset, [1], tmp_path / "folds", 0)
    assert set(fold.ids) == {frame_id(sample) for sample in dataset.samples if sample.fold == 1}
    assert list(fold.tables) == ["stanet-no-attention"]
    np.testing.assert_allclose(fold.tables["stanet-no-attention"].sum(1), 1.0, rtol=1e-5)
    assert (common.checkpoint("stanet-no-attention", 1) / "config.json").exists()
    assert fold.facts["settings"]["image_size"] == 32
    engine = tmp_path / "stanet-no-attention" / "fold1.edge"
    (other := tmp_path / "same.edge").write_bytes(engine.read_bytes())
    rows = measure([engine, other], seconds=0.0, threads=1, seed=0)
    assert {row["network"] for row in rows} == {"fold1", "same"}
    assert all(row["macs_share"] == 1.0 and row["rounds"] >= 64 for row in rows)


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="expected one of stanet, stanet-no-attention"):
        recipe_named("vgg")


def test_only_recipes_with_all_folds_are_in_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fewer_operations, "FOLDS", tmp_path)
    dataset = flat_data()
    for name, folds in (("stanet", (0, 1)), ("lite0", (0, 1)), ("resnet18", (0,))):
        for number in folds:
            samples = [sample for sample in dataset.samples if sample.fold == number]
            table = np.eye(3)[[sample.target or 0 for sample in samples]]
            write_fold(
                tmp_path / dataset.name / name / f"fold{number}.npz",
                Fold(ids=tuple(map(frame_id, samples)), tables={name: table}, facts=FACT),
            )
    study = finished(dataset, (0, 1), seed=0)
    assert list(study.tables) == ["stanet", "lite0"]
    assert len(study.facts["lite0"]) == 2


def test_the_table_says_what_a_network_loses_against_the_first_and_against_the_teacher(tmp_path: Path) -> None:
    dataset = flat_data()
    truth = np.eye(3)[[sample.target or 0 for sample in dataset.samples]]
    worse = truth.copy()
    worse[:6] = np.roll(worse[:6], 1, axis=1)  # half of the twelve dark frames
    study = FewerStudy(
        dataset=dataset,
        tables={"stanet": worse, "stanet-int8": worse, "lite0": truth},
        facts={"stanet": [FACT, FACT], "lite0": [{**FACT, "macs": 125_000_000}] * 2},
        by="visit",
        seed=0,
    )
    readme = tmp_path / "README.md"
    readme.write_text("<!-- results:fewer_flat -->\n<!-- /results:fewer_flat -->\n")
    write_study(study, tmp_path, readme=readme)
    assert "| EfficientNet-Lite0 from ImageNet weights | 125 | 100.0 [" in readme.read_text()
    assert "flat: 36 frames, 12 groups, input 128 px." in readme.read_text()
    rows = json.loads((tmp_path / "fewer_flat.json").read_text())["rows"]
    frames = {row["graph"]: row for row in rows if row["unit"] == "frame"}
    assert frames["stanet"]["against_first"] is None
    assert frames["lite0"]["against_first"].startswith("+16.7 [")
    assert frames["stanet"]["against_teacher"].startswith("-16.7 [")
    assert frames["stanet-int8"]["method"] == "STANet, INT8 engine"
    assert frames["lite0"]["macs_m"] == 125.0
    assert frames["stanet"]["dual_percent"] == 0.0763
    words = (tmp_path / "fewer_flat.md").read_text()
    assert "STANet: balanced accuracy on the validation groups by fold: 0.75 (epoch 4), 0.75 (epoch 4)." in words
