"""The study on neuron morphology on made-up predictions: which runs there are, and what its tables say of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgeneuro.benchmarks.morphology_padding import border_share, write_padding
from edgeneuro.benchmarks.morphology_study import method_of, planned
from edgeneuro.benchmarks.morphology_tables import Planned, write_methods, write_noise
from edgeneuro.benchmarks.morphology_variants import (
    FLOOR,
    METHODS,
    NOISE_ARMS,
    NOISY,
    REFERENCE,
    SIDES,
    Job,
    cure_facts,
    from_several_sides,
    fused,
    method_named,
    poses,
)
from edgeneuro.benchmarks.out_of_fold import Fold, frame_id, write_fold
from edgeneuro.data import DataSet
from edgeneuro.data.make_split import make_split
from edgeneuro.data.phantom_neurons import neurons_dataset
from edgeneuro.errors import DataError, UsageError
from edgeneuro.neuron import Neuron

FACTS = {"macs": 1_814_000_000, "seconds": 60.0, "date": "2026-01-01", "settings": {"image_size": 64}}
JOB = Job(
    data="phantom-neurons", folder=Path("runs"), fold=0, seed=0, label_noise=0.0, image_size=64, epochs=1, initial=None, threads=1
)  # fmt: skip
XYALIGN = "xyalign-type-{}"


@pytest.fixture(scope="module")
def neurons() -> DataSet:
    return neurons_dataset(neurons_per_class=10)


def made_up(dataset: DataSet, run: Planned, right: float, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(test neuron, class), about a share `right` of them right, and the others the next class."""
    samples = make_split(dataset, fold=run.fold).part(dataset.samples, "test")
    targets = np.array([sample.target for sample in samples])
    drawn = np.random.default_rng((seed, run.seed, run.fold)).random(len(samples))
    return 0.02 + 0.74 * np.eye(12)[np.where(drawn < right, targets, (targets + 1) % 12)]


def write(
    run: Planned, dataset: DataSet, folder: Path, right: float, *, sides: float | None = None, **facts: Any
) -> None:
    """Predictions of one fold. sides: of the same network from several sides."""
    samples = make_split(dataset, fold=run.fold).part(dataset.samples, "test")
    tables = {run.graph: made_up(dataset, run, right, seed=1)}
    if sides is not None:
        tables[f"{run.graph}-sides"] = made_up(dataset, run, sides, seed=2)
    write_fold(run.path(folder), Fold(ids=tuple(map(frame_id, samples)), tables=tables, facts={**FACTS, **facts}))


def write_all(
    dataset: DataSet, folder: Path, rights: Mapping[str, float], *, seeds: int = 1, sides: float | None = None
) -> None:
    for name, right in rights.items():
        for seed in range(seeds):
            for fold in range(5):
                several = sides if METHODS[name].drawing is not None else None
                write(Planned(method=name, fold=fold, seed=seed), dataset, folder, right, sides=several)


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"]
    return rows


def value(cell: str) -> float:
    return float(cell.split()[0])


def test_no_two_runs_have_the_same_name_and_both_parts_know_their_methods(neurons: DataSet) -> None:
    for part in ("methods", "noise"):
        runs = list(planned(part, neurons))
        assert len({(run.graph, run.fold) for run in runs}) == len(runs)
        assert {run.method for run in runs} <= set(METHODS)
    assert not list(planned("padding", neurons))
    grid = {run.method for run in planned("methods", neurons)}
    assert {f"{a}-{b}-{c}" for a in ("raw", "resample", "xyalign", "wide") for b in ("xyz", "rgb", "type") for c in ("plain", "fr", "cure", "both")} < grid  # fmt: skip
    assert {f"wide-{view}-lite0" for view in ("xyz", "rgb", "type")} < grid
    assert {f"{a}-{b}" for a in ("forest", "svm") for b in ("placed", "typed", "blind")} < grid


def test_a_run_without_wrong_labels_is_the_one_of_the_methods() -> None:
    clean = Planned(method="xyalign-type-cure", fold=2, label_noise=0.0)
    noisy = replace(clean, label_noise=0.2, seed=1)
    assert clean == Planned(method="xyalign-type-cure", fold=2)
    assert (clean.graph, noisy.graph) == ("xyalign-type-cure", "xyalign-type-cure-noise20-seed1")


def test_settings_say_what_decides_the_numbers_of_a_network_and_of_a_forest() -> None:
    network = method_of(Planned(method="raw-rgb-both", fold=0), replace(JOB, initial="/weights/resnet18.safetensors"))
    assert network.settings["variant"] == "raw" and network.settings["reconstruction"] == "bottleneck"
    assert network.settings["initial"] == "resnet18.safetensors" and network.settings["epochs"] == 1
    forest = method_of(Planned(method=REFERENCE, fold=0), JOB)
    assert dict(forest.settings) == {"features": 79, "classifier": "forest", "trees": 200, "seed": 0}
    with pytest.raises(UsageError, match="--method tree: is not known, expected one of forest-placed"):
        method_named("tree")


def test_every_complete_method_is_a_row_and_a_network_is_three(neurons: DataSet, tmp_path: Path) -> None:
    write_all(neurons, tmp_path, {REFERENCE: 0.7, "svm-blind": 0.5, XYALIGN.format("both"): 0.6}, sides=0.8)
    write(Planned(method="raw-rgb-plain", fold=0), neurons, tmp_path, 0.9)  # one fold of five
    write_methods(neurons, tmp_path, tmp_path)
    rows = rows_of(tmp_path / "morphology_phantom-neurons.json")
    assert [row["method"] for row in rows] == [REFERENCE, "svm-blind", *[XYALIGN.format("both")] * 3]
    found = [value(row["accuracy"]) for row in rows]
    assert found[:4] == pytest.approx([70, 50, 60, 80], abs=10)
    assert found[4] > max(found[2:4])  # networks and forests err on different neurons
    assert rows[0]["against"] is None and rows[0]["macs_m"] is not None
    assert rows[1]["against"].startswith("-") and rows[3]["against"].startswith("+")
    assert set(rows[0]["recall"]) == set(neurons.classes)


def test_seeds_are_averaged_and_an_unfinished_one_is_left_out(neurons: DataSet, tmp_path: Path) -> None:
    write_all(neurons, tmp_path, {REFERENCE: 0.7}, seeds=2)
    write(Planned(method=REFERENCE, fold=0, seed=2), neurons, tmp_path, 0.7)
    write_methods(neurons, tmp_path, tmp_path)
    (row,) = rows_of(tmp_path / "morphology_phantom-neurons.json")
    assert row["seeds"] == 2 and len(row["folds"]) == 10


def test_without_the_forest_there_is_nothing_to_compare_with(neurons: DataSet, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no forest-placed, which all others are compared with"):
        write_methods(neurons, tmp_path, tmp_path)


def test_wrong_labels_are_compared_on_the_folds_that_every_arm_has(neurons: DataSet, tmp_path: Path) -> None:
    for fold in (0, 1, 2):
        for arm, method, right in zip(NOISE_ARMS, NOISY, (0.5, 0.8, 0.8, 0.8), strict=True):
            facts = {"right_above_wrong": 0.9, "relabelled": 4, "restored": 3} if arm == "relabel" else {}
            run = Planned(method=method.name, fold=fold, label_noise=0.2)
            if (arm, fold) != ("cure", 2):
                write(run, neurons, tmp_path, right, **facts)
    write_noise(neurons, tmp_path, tmp_path)
    rows = rows_of(tmp_path / "morphology_noise_phantom-neurons.json")
    assert [(row["noise"], row["folds_used"]) for row in rows] == [(20.0, 2)] * 4
    assert rows[0]["against"] is None and all(row["against"].startswith("+") for row in rows[1:])
    assert rows[3]["right_above_wrong"] == 0.9 and (rows[3]["relabelled"], rows[3]["restored"]) == (8, 6)
    assert rows[0]["right_above_wrong"] is rows[0]["relabelled"] is None


def test_weights_are_judged_by_the_wrong_labels_they_find(neurons: DataSet) -> None:
    training = neurons.samples[:4]
    cure = {"quality": [0.9, 0.2, 0.8, 0.9], "relabelled": {"1": neurons.classes[1], "2": "BTC"}}
    facts = cure_facts({"mislabelled": [1, 3], "self_cure": cure}, training, neurons.classes)
    assert facts == {"right_above_wrong": (1 + 0.5 + 1 + 0) / 4, "relabelled": 2, "restored": 1}
    assert cure_facts({"mislabelled": [1]}, training, neurons.classes) == {}
    assert cure_facts({"self_cure": cure}, training, neurons.classes) == {}


def test_accuracy_is_told_apart_by_what_lies_at_the_border(
    neurons: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    border = np.linspace(0.0, 0.5, len(neurons))
    monkeypatch.setattr("edgeneuro.benchmarks.morphology_padding.shares", lambda *_: border)
    write_all(neurons, tmp_path, {XYALIGN.format("plain"): 0.5, XYALIGN.format("fr"): 0.9})
    write_padding(neurons, tmp_path, tmp_path)
    rows = rows_of(tmp_path / "morphology_padding_phantom-neurons.json")
    assert [(row["bin"], row["method"].rpartition("-")[2]) for row in rows] == [
        (name, arm) for name in ("least", "between", "most") for arm in ("plain", "fr")
    ]
    assert {row["neurons"] for row in rows} == {40} and [row["share"] for row in rows[::2]] == [8.2, 25.0, 41.8]
    assert all(row["against"].startswith("+") for row in rows[1::2])


def test_the_border_is_one_place_of_the_feature_map_wide() -> None:
    frame = np.zeros((70, 70, 3), np.uint8)
    assert border_share(frame) == 0.0
    frame[10:60, 10:60] = 100
    assert border_share(frame) == 0.0
    frame[:10] = 100
    assert border_share(frame) == pytest.approx(700 / 3200)


def test_sides_turn_about_the_axis_to_the_pia_and_begin_with_the_neuron_as_it_is() -> None:
    turns = poses(4)
    np.testing.assert_allclose(turns[0], np.eye(3))
    for turn in turns:
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(turn @ [0, 1, 0], [0, 1, 0])
    np.testing.assert_allclose(turns[1] @ [1, 0, 0], [0, 0, -1], atol=1e-12)


def test_fusing_is_the_mean_of_logarithms_and_one_no_is_no_veto() -> None:
    sure, unsure = np.array([[0.8, 0.2]]), np.array([[0.5, 0.5]])
    np.testing.assert_allclose(fused([sure, sure]), sure)
    np.testing.assert_allclose(fused([sure, unsure])[0, 0], 2 / 3)  # sqrt(0.8 / 0.2) to 1
    never = np.array([[0.0, 1.0]])
    np.testing.assert_allclose(fused([never, np.array([[1.0, 0.0]])]), [[0.5, 0.5]])
    assert fused([never, sure])[0, 0] == pytest.approx(1 / (1 + np.sqrt(0.2 / (0.8 * FLOOR))))


def test_a_forest_learns_from_every_other_fold_and_not_from_its_own(
    neurons: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = np.array([sample.target for sample in neurons.samples], np.float32)
    own = np.array([sample.fold == 0 for sample in neurons.samples])
    told = np.zeros((len(neurons), 97), np.float32)
    told[:, 0] = np.where(own, 11 - targets, targets)  # its own fold says the contrary
    monkeypatch.setattr("edgeneuro.benchmarks.morphology_variants.cached", lambda *_: told)
    monkeypatch.setattr("edgeneuro.benchmarks.morphology_variants.TREES", 5)
    fold = METHODS["forest-blind"].run("forest-blind", replace(JOB, folder=tmp_path), neurons)
    expected = np.array([sample.target for sample in neurons.samples if sample.fold == 0])
    assert (fold.tables["forest-blind"].argmax(1) == 11 - expected).mean() > 0.9


def test_a_network_looks_from_every_side_and_its_classes_are_put_in_order(
    neurons: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def drawing(neuron: Neuron, pose: Any) -> Any:
        seen.append(pose)
        return np.full((2, 2), len(seen))

    def graph(frame: Any) -> Any:
        sure = 0.9 if frame[0, 0] % 2 else 0.6  # of the network's own class 0, from every other side
        return SimpleNamespace(probabilities=np.array([sure, *[(1 - sure) / 11] * 11]))

    predictor = SimpleNamespace(drawing=drawing, classes=neurons.classes[::-1], graphs={"fp32": graph})
    monkeypatch.setattr(
        "edgeneuro.benchmarks.morphology_variants.open_predictor", lambda path, threads: nullcontext(predictor)
    )
    table = from_several_sides(tmp_path / "fold0.edge", neurons, neurons.samples[:2], threads=1)
    assert len(seen) == 2 * SIDES and np.allclose(seen[:SIDES], poses(SIDES))
    assert table.shape == (2, 12) and (table.argmax(1) == 11).all()
    odds = np.sqrt((0.9 / (0.1 / 11)) * (0.6 / (0.4 / 11)))
    np.testing.assert_allclose(table[:, 11] / table[:, 0], odds)
