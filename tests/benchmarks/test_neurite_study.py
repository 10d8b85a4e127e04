"""The study on networks that find neurites: what is trained, what is in the pool, and the tables and the curve of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeneuro.benchmarks import neurite_study
from edgeneuro.benchmarks.neurite_curve import write_curve
from edgeneuro.benchmarks.neurite_scoring import MEASURES, VOXELS, as_fold, difference, frame_overlaps, pooled_f1
from edgeneuro.benchmarks.neurite_study import judge_elsewhere, negative, run_variant
from edgeneuro.benchmarks.neurite_tables import finished, round_table, run_name, write_cross, write_table
from edgeneuro.benchmarks.neurite_variants import (
    FEW_GROUPS,
    ROUNDS,
    SIZES,
    VARIANTS,
    Job,
    Size,
    few_share,
    kept_after,
    pool_samples,
    size_of,
    variant_named,
    write_pool,
)
from edgeneuro.benchmarks.out_of_fold import Fold, read_fold, write_fold
from edgeneuro.data import open_data
from edgeneuro.data.make_split import make_split
from edgeneuro.data.phantom_neurites import neurites_dataset, volumes_dataset
from edgeneuro.data.sample import DataSet
from edgeneuro.errors import DataError, UsageError
from edgeneuro.spec import Array
from edgeneuro.training.weak.stopping import StopSettings
from tests.training.masks.lines import line_image, write_lines

TINY = Size(
    model="segmentation-2d", image_size=32, width=2, levels=2, batch_size=4, epochs=1, few=1, of_round=1, long=2
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine images, each a group, three folds."""
    folder = write_lines(tmp_path_factory.mktemp("lines") / "lines", images=9)
    rows = [f"images/{n}.png,masks/{n}.png,g{n},{n % 3}" for n in range(9)]
    (folder / "labels.csv").write_text("\n".join(["file,mask,group_id,fold", *rows]))
    return folder


@pytest.fixture(scope="module")
def lines(folder: Path) -> DataSet:
    return open_data(str(folder))


@pytest.fixture
def job(folder: Path, tmp_path: Path) -> Job:
    return Job(data=str(folder), folder=tmp_path / "runs", size=TINY, fold=0)


def perfect(dataset: DataSet, fold: int | None, facts: dict[str, object]) -> Fold:
    samples = [sample for sample in dataset.samples if fold in (None, sample.fold)]
    overlaps = [frame_overlaps(dataset.mask(sample), dataset.mask(sample)) for sample in samples]
    return as_fold(samples, overlaps, {"seconds": 1.0, **facts})


def test_the_pool_is_what_labels_are_not_used_of_and_nothing_held_out(lines: DataSet, job: Job) -> None:
    every = make_split(lines, fold=0)
    few = make_split(lines, fold=0, training_share=few_share(lines, job))
    assert len(few.training) == FEW_GROUPS
    pool = {sample.group for sample in pool_samples(lines, job)}
    labelled = {sample.group for sample in few.part(lines.samples, "training")}
    training = {sample.group for sample in every.part(lines.samples, "training")}
    assert pool | labelled == training and not pool & labelled
    other = {sample.group for sample in pool_samples(lines, replace(job, seed=1))}
    assert len(other) > 0 and job.place("rounds") != replace(job, seed=1).place("rounds")


def test_the_pool_is_written_with_its_groups_and_without_masks(lines: DataSet, job: Job) -> None:
    written = open_data(str(write_pool(lines, job)))
    assert not written.has_masks and written.name == lines.name
    assert {one.group for one in written.samples} == {one.group for one in pool_samples(lines, job)}
    number = int(written.samples[0].group.removeprefix("g"))
    np.testing.assert_array_equal(written.read(written.samples[0]), line_image(number)[0])


def test_a_pool_of_volumes_is_read_back_as_volumes(tmp_path: Path) -> None:
    data = volumes_dataset(volumes=8)
    job = Job(data="phantom-volumes", folder=tmp_path, size=SIZES["phantom-volumes"], fold=0)
    written = open_data(str(write_pool(data, job)))
    first, again = pool_samples(data, job)[0], written.samples[0]
    np.testing.assert_array_equal(written.read(again), data.read(first))


def test_few_groups_of_few_are_refused(lines: DataSet, job: Job) -> None:
    small = lines.subset([sample for sample in lines.samples if sample.group in {"g0", "g1", "g2", "g3"}])
    with pytest.raises(DataError, match="training groups, expected more than 2"):
        few_share(small, job)


def test_variants_and_sizes_are_found_by_name(lines: DataSet) -> None:
    assert variant_named("few").epochs(TINY) == 1 and variant_named("few-long").epochs(TINY) == 2
    with pytest.raises(UsageError, match="--variant none: is not known; expected all, few"):
        variant_named("none")
    assert size_of(neurites_dataset(3)) is SIZES["phantom-neurites"]
    with pytest.raises(UsageError, match="lines: has no size of network"):
        size_of(lines)


def test_a_network_is_trained_judged_and_judged_elsewhere(lines: DataSet, job: Job) -> None:
    split = make_split(lines, fold=0)
    fold = run_variant(VARIANTS["few"], job, lines, split)
    assert set(fold.ids) == {f"{sample.source}#0" for sample in split.part(lines.samples, "test")}
    assert set(fold.tables) == set(MEASURES) and fold.facts["labelled"] == FEW_GROUPS
    elsewhere = judge_elsewhere(VARIANTS["few"], job, lines, lines)
    assert len(elsewhere.ids) == len(lines) and elsewhere.facts["from"] == lines.name
    tested = [elsewhere.ids.index(name) for name in fold.ids]
    np.testing.assert_array_equal(elsewhere.tables[VOXELS][tested], fold.tables[VOXELS])


def test_rounds_are_judged_one_by_one_and_one_shot_is_what_they_were_after_the_second(lines: DataSet, job: Job) -> None:
    split = make_split(lines, fold=0)
    fold = run_variant(VARIANTS["rounds"], job, lines, split)
    assert {round_table(number) for number in range(1, ROUNDS + 1)} <= set(fold.tables)
    np.testing.assert_array_equal(fold.tables[round_table(fold.facts["kept"])], fold.tables[VOXELS])
    stamp = (job.place("rounds") / "config.json").stat().st_mtime_ns
    once = run_variant(VARIANTS["one-shot"], job, lines, split)
    assert (job.place("rounds") / "config.json").stat().st_mtime_ns == stamp
    assert len(once.facts["by_round"]) <= 2 and set(once.tables) == set(MEASURES)
    few = run_variant(VARIANTS["few"], job, lines, split)
    np.testing.assert_array_equal(few.tables[VOXELS], fold.tables[round_table(1)])


def test_what_is_kept_after_some_rounds_is_the_best_of_them_without_one_that_drifted() -> None:
    def one(validation_f1: float, manual_f1: float = 0.9) -> dict[str, dict[str, float | None]]:
        values = {"validation_f1": validation_f1, "manual_f1": manual_f1, "foreground_share": 0.1, "agreement": None}
        return {"result": values}

    rounds = [one(0.5), one(0.7), one(0.8, 0.5)]
    assert [kept_after(rounds, number, StopSettings()) for number in (1, 2, 3)] == [1, 2, 2]
    assert kept_after(rounds, 3, StopSettings(drift=1.0)) == 3


def test_a_negative_has_dark_and_bright_exchanged(lines: DataSet) -> None:
    sample = lines.samples[0]
    turned = negative(lines)
    np.testing.assert_array_equal(turned.read(sample), 255 - lines.read(sample))
    assert turned.name == "lines-negative" and (turned.mask(sample) == lines.mask(sample)).all()


def counts(*right: float) -> Array:
    """Of ten voxels labelled and ten found, a frame each."""
    return np.array([[one, 10.0, one, 10.0] for one in right])


def test_a_difference_is_paired_by_group_and_of_runs_the_means_are_compared() -> None:
    groups = ["a", "b", "c", "d"]
    worse, better = counts(2, 4, 6, 8), counts(3, 5, 7, 9)
    gained = difference(better, worse, groups)
    assert (gained.value, gained.low, gained.high) == pytest.approx((0.1, 0.1, 0.1))
    assert pooled_f1(worse, groups).low < 0.4  # the same frames, not paired, leave much open
    twice = pooled_f1(np.stack([worse, better]), groups)
    assert twice.value == pytest.approx(0.55) and twice.high > pooled_f1(better, groups).value
    alone = difference(better[:1], worse[:1], ["a"])
    assert (alone.low, alone.high) == (-1.0, 1.0)


def test_rows_have_seeds_effort_and_what_rounds_gain(lines: DataSet, tmp_path: Path) -> None:
    folds = tmp_path / "folds"
    facts = {"title": "few labels", "labelled": 2, "learnt_from": [0, 3], "by_round": [{"validation_f1": 0.5}] * 2}
    for name, seed in (("few", 0), ("rounds", 0), ("rounds", 1)):
        for number in range(3):
            fold = perfect(lines, number, facts)
            if name == "few":
                fold = replace(fold, tables={key: table * [0.5, 1, 0.5, 1] for key, table in fold.tables.items()})
            else:
                by_round = {round_table(n): fold.tables[VOXELS] for n in range(1, ROUNDS + 1)}
                fold = replace(fold, tables={**fold.tables, **by_round})
            write_fold(folds / run_name(name, seed) / f"fold{number}.npz", fold)
    assert list(finished(lines, folds)) == ["few", "rounds"]
    write_table(lines, folds, tmp_path)
    few, rounds = json.loads((tmp_path / "neurites_lines.json").read_text())["rows"]
    assert few["labelled"] == rounds["labelled"] == "2" and (few["seeds"], rounds["seeds"]) == (1, 2)
    assert rounds["against_few"] == "+50.00 [+50.00, +50.00]" and "against_few" not in few
    write_curve(lines, folds, tmp_path)
    written = json.loads((tmp_path / "neurites_lines_curve.json").read_text())["rows"]
    assert [line["round"] for line in written] == ["-", 1, 2, 3, 4, 5]
    assert [line.get("runs") for line in written[1:]] == [6, 6, 0, 0, 0]
    assert written[2]["learnt_from"] == 3.0
    picture = cv2.imdecode(np.frombuffer((tmp_path / "neurites_lines_curve.png").read_bytes(), np.uint8), 1)
    assert np.count_nonzero(np.asarray(picture).min(-1) < 100) > 1000


def test_networks_of_another_set_are_runs_on_the_same_frames(lines: DataSet, tmp_path: Path) -> None:
    other = replace(lines, name="other")
    for number in range(3):
        write_fold(tmp_path / "all" / f"fold{number}.npz", perfect(other, None, {"title": "all labels"}))
    write_cross(other, lines, tmp_path, tmp_path)
    (found,) = json.loads((tmp_path / "neurites_other_from_lines.json").read_text())["rows"]
    assert (found["networks"], found["dice"]) == (3, "100.0 [100.0, 100.0]")


def test_the_command_runs_what_was_asked_for_and_tables_wait_for_all_folds(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(neurite_study, "size_of", lambda _: TINY)
    neurite_study.main(data=str(folder), variant=["few"], fold=[1], out=tmp_path / "runs", threads=1)
    results = tmp_path / "docs" / "results"
    kept = read_fold(results / "folds" / "lines" / "few" / "fold1.npz")
    assert kept.facts["title"] == VARIANTS["few"].title and kept.facts["settings"]["width"] == 2
    assert json.loads((results / "neurites_lines.json").read_text())["rows"] == []
