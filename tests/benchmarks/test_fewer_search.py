"""Ways of teaching are compared by their last epochs on validation frames."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeneuro.benchmarks import fewer_search
from edgeneuro.benchmarks.fewer_search import WAYS, last_epochs, main, write_search
from edgeneuro.data import open_data
from edgeneuro.data.make_split import make_split
from edgeneuro.errors import UsageError
from edgeneuro.export.distil.settings import DistilSettings
from edgeneuro.models.build import build_model
from edgeneuro.training.checkpoint import write_checkpoint
from tests.checkpoints import checkpoint_config
from tests.noise import write_noise


def finished(folder: Path, data: Path, fold: int, scores: list[float]) -> None:
    """A run whose validation macro-F1 went like this."""
    dataset = open_data(str(data))
    write_checkpoint(
        folder,
        network=build_model("myositis", classes=2, channels=1),
        config=checkpoint_config(fold=fold),
        metrics={"history": [{"macro_f1": score} for score in scores]},
        split=make_split(dataset, protocol="grouped", fold=0, seed=0),
    )


def test_the_early_epochs_do_not_count() -> None:
    assert last_epochs([{"macro_f1": 0.9}] * 5 + [{"macro_f1": 0.5}] * 7 + [{"macro_f1": 0.7}]) == pytest.approx(0.525)


def test_the_table_has_the_ways_that_were_tried_and_their_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    write_noise(tmp_path / "data", side=32, groups=5, frames=1)
    for way, fold, score in (("first", 0, 0.6), ("first", 2, 0.8), ("pretrained", 0, 0.75)):
        finished(tmp_path / "runs" / way / f"fold{fold}", tmp_path / "data", fold, [0.1, *[score] * 8])
    write_search("made-up", tmp_path / "runs")
    rows = json.loads((tmp_path / "docs/results/fewer_search_made-up.json").read_text())["rows"]
    assert [(row["name"], row["folds"], row["by_fold"], row["against_first"]) for row in rows] == [
        ("first", "0, 2", "0.600, 0.800", None),
        ("pretrained", "0", "0.750", "+0.150"),
    ]


def test_every_way_is_a_lesson_that_can_be_taught() -> None:
    for _, settings in WAYS.values():
        DistilSettings(**settings)


def test_an_unknown_way_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fewer_search, "distil", lambda *_, **__: pytest.fail("nothing is trained"))
    with pytest.raises(UsageError, match="--way shouting: is not known, expected one of first, labels"):
        main("us_breast_busi", way=["shouting"], fold=[0])
