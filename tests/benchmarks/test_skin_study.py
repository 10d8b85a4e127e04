"""The study on skin lesions on made-up predictions: which runs there are, and what its tables say of them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks.feature_fold import feature_fold
from edgeneuro.benchmarks.out_of_fold import Fold, frame_id, write_fold
from edgeneuro.benchmarks.skin_study import planned
from edgeneuro.benchmarks.skin_tables import Planned, write_folds, write_runs
from edgeneuro.benchmarks.skin_variants import ABLATIONS, CURVE
from edgeneuro.data import DataSet, open_data
from edgeneuro.data.make_split import make_split

FACTS = {"macs": 15_000_000, "seconds": 60.0, "date": "2026-01-01", "settings": {"image_size": 112}}


@pytest.fixture(scope="module")
def lesions() -> DataSet:
    return open_data("phantom-lesions")


def write(run: Planned, dataset: DataSet, folder: Path, right: float, *, int8: bool = False) -> None:
    """Predictions of which about this share is right."""
    split = make_split(dataset, fold=run.fold)
    samples = split.part(dataset.samples, "test")
    rng = np.random.default_rng((run.seed, run.fold))
    targets = np.array([sample.target for sample in samples])
    said = np.where(rng.random(len(samples)) < right, targets, (targets + 1) % 7)
    table = 0.1 + 0.3 * np.eye(7)[said]
    tables = {run.graph: table, **({f"{run.graph}-int8": table} if int8 else {})}
    write_fold(run.path(folder), Fold(ids=tuple(map(frame_id, samples)), tables=tables, facts=FACTS))


def rows_of(path: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(path.read_text())["rows"]
    return rows


def test_no_two_runs_have_the_same_name_and_every_variant_has_its_reference() -> None:
    for part in ("folds", "curve", "ablations"):
        runs = list(planned(part))
        assert len({(run.graph, run.fold) for run in runs}) == len(runs)
        assert {"siamese"} <= {run.variant for run in runs}
    assert {run.variant for run in planned("curve")} == set(CURVE)
    assert {run.variant for run in planned("ablations")} == set(ABLATIONS)
    assert len({run.share for run in planned("ablations")}) == 1


def test_the_table_of_folds_has_the_whole_and_every_subgroup_of_float_and_int8(
    lesions: DataSet, tmp_path: Path
) -> None:
    runs = list(planned("folds"))
    for run in runs:
        write(run, lesions, tmp_path, right=0.8, int8=True)
    write_folds(runs, lesions, tmp_path, tmp_path)
    rows = rows_of(tmp_path / "skin_folds.json")
    whole, int8, *parts = rows
    assert (whole["graph"], int8["graph"]) == ("siamese", "siamese-int8")
    assert whole["drop"] is None and str(int8["drop"]).startswith("+0.0 [")
    assert str(whole["balanced_accuracy"]).startswith(("79", "80", "81", "82", "78"))
    names = {str(row["subgroup"]).partition(" ")[0] for row in parts}
    assert names == set(lesions.subgroups)


def of_curve(runs: Sequence[Planned], dataset: DataSet, folder: Path) -> list[dict[str, object]]:
    for run in runs:
        write(run, dataset, folder, right=0.9 if run.variant == "siamese" else 0.6)
    write_runs("skin_curve", "curve", runs, dataset, folder, folder)
    return rows_of(folder / "skin_curve.json")


def test_variants_are_compared_with_the_siamese_network_of_the_same_share(lesions: DataSet, tmp_path: Path) -> None:
    runs = [
        Planned(variant=variant, fold=0, share=share, seed=seed)
        for share in (0.1, 1.0)
        for variant in ("siamese", "knn")
        for seed in (0, 1)
    ]
    rows = of_curve(runs, lesions, tmp_path)
    assert [(row["share"], row["variant"], row["runs"]) for row in rows] == [
        (10.0, "siamese", 2), (10.0, "knn", 2), (100.0, "siamese", 2), (100.0, "knn", 2),
    ]  # fmt: skip
    assert rows[0]["against"] is None and str(rows[1]["against"]).startswith("-")


def test_neighbours_on_colour_and_texture_learn_from_the_training_part_alone(
    lesions: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = lesions.subset([sample for sample in lesions.samples if sample.index == 0])
    drawn = np.zeros((len(few), 1), np.float32)
    targets = np.array([sample.target for sample in few.samples])
    split = make_split(few, fold=0, training_share=0.5)
    known = {sample.source for sample in split.part(few.samples, "training")}
    drawn[:, 0] = [
        10 * target if sample.source in known else 60 - 10 * target
        for sample, target in zip(few.samples, targets, strict=True)
    ]
    monkeypatch.setattr("edgeneuro.benchmarks.feature_fold.cached", lambda *_: drawn)
    fold = feature_fold("knn", few, split, tmp_path, features="colour_texture", classifier="knn", seed=0)
    told = fold.tables["knn"].argmax(1)
    expected = np.array([sample.target for sample in split.part(few.samples, "test")])
    assert (told == 6 - expected).mean() > 0.8  # what only the training part can have taught
