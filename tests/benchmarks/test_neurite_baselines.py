"""Neurites found without learning: the methods, how their settings are chosen, and the table."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks.neurite_baselines import Chooser, learnt_from, run_fold, words
from edgeneuro.benchmarks.neurite_methods import GRIDS, TITLES, Frangi, Local, NeuriteMethod, Otsu, Picture, Tidy
from edgeneuro.benchmarks.neurite_scoring import (
    CENTRE_LINES,
    MEASURES,
    VOXELS,
    as_fold,
    f1,
    frame_overlaps,
    mean_f1,
    pooled_f1,
)
from edgeneuro.benchmarks.neurite_tables import Whole, row, write_table
from edgeneuro.benchmarks.out_of_fold import read_fold, write_fold
from edgeneuro.benchmarks.real_data import Method, run_method
from edgeneuro.data.make_split import make_split
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.metrics.tubes import Overlap, cl_dice, tolerant_overlap
from edgeneuro.spec import Array

ALL = Tidy(at_least=1, grown=0)


def drawn(number: int) -> Array:
    """A line three pixels wide, somewhere else in every frame."""
    mask = np.zeros((24, 24), np.uint8)
    mask[5 + number : 8 + number, 2:22] = 1
    return mask


def bright(sample: Sample) -> Array:
    number = int(sample.source)
    noise = np.random.default_rng(number).normal(0, 4, (24, 24))
    return (100 + 80.0 * drawn(number) + noise).astype(np.uint8)


@pytest.fixture
def lines() -> DataSet:
    """Twelve frames of six groups in three folds."""
    return DataSet(
        name="lines",
        classes=("background", "neurite"),
        samples=tuple(
            Sample(source=str(n), index=0, target=None, group=f"g{n // 2}", fold=n // 2 % 3) for n in range(12)
        ),
        reader=bright,
        mask_reader=lambda sample: drawn(int(sample.source)),
    )


@pytest.mark.parametrize(
    "method",
    [
        Otsu(dark=False, smooth=0.5, tidy=ALL),
        Local(dark=False, window=15, deviations=1.0, tidy=Tidy(at_least=10, grown=0)),
        Frangi(dark=False, scales=(1.0, 2.0), low=85.0, high=95.0, tidy=ALL),
    ],
)
def test_every_method_finds_a_bright_line_and_its_negative_as_a_dark_one(method: NeuriteMethod, lines: DataSet) -> None:
    frame = lines.read(lines.samples[3])
    found = method(Picture(frame))
    assert frame_overlaps(drawn(3), found)["within 1"].f1 > 0.8
    dark = type(method)(**{**vars(method), "dark": True})
    np.testing.assert_array_equal(dark(Picture(255 - frame)), found)


def test_tidying_drops_small_pieces_before_it_thickens_the_rest() -> None:
    mask = np.zeros((7, 9), bool)
    mask[3, 1:6] = mask[0, 8] = True
    tidy = Tidy(at_least=2, grown=1)(mask)
    assert not tidy[0, 8] and tidy[2, 3] and tidy[3, 0] and not tidy[1, 3]


def test_settings_are_chosen_where_they_are_good_and_never_on_the_test_part(lines: DataSet) -> None:
    good, bad = (Otsu(dark=dark, smooth=0.5, tidy=ALL) for dark in (False, True))
    split = make_split(lines, fold=1)
    learnt = learnt_from(lines, split)
    assert {sample.group for sample in learnt} == {"g0", "g2", "g3", "g5"} and len(learnt) == 4
    assert Chooser(lines, (bad, good)).best(learnt) == good


def test_a_fold_keeps_counts_of_every_tested_frame_and_what_was_chosen(lines: DataSet, tmp_path: Path) -> None:
    grid = (Otsu(dark=False, smooth=0.5, tidy=ALL),)
    fold = run_fold("otsu", Chooser(lines, grid), lines, make_split(lines, fold=1), tmp_path)
    assert fold.ids == ("2#0", "3#0", "8#0", "9#0")
    assert fold.facts == {"title": TITLES["otsu"], "chosen": "bright, smooth 0.5, at least 1, grown 0"}
    assert set(fold.tables) == set(MEASURES) and f1(fold.tables[VOXELS]).min() > 0.9
    write_fold(tmp_path / "f.npz", fold)
    np.testing.assert_array_equal(read_fold(tmp_path / "f.npz").tables["within 2"], fold.tables["within 2"])


def test_overlaps_of_a_frame_are_those_of_the_metrics() -> None:
    truth, found = drawn(2), drawn(4)
    overlaps = frame_overlaps(truth, found)
    assert overlaps["within 4"] == tolerant_overlap(truth, found)[4]
    assert overlaps[CENTRE_LINES] == cl_dice(truth, found)
    assert overlaps["within 1"].f1 < overlaps["within 2"].f1


@pytest.mark.parametrize("counts", [(3, 4, 2, 5), (0, 0, 0, 0), (0, 4, 0, 0), (0, 0, 0, 4), (0, 3, 0, 4)])
def test_f1_of_counts_is_that_of_an_overlap(counts: tuple[int, int, int, int]) -> None:
    right, predicted, found, labelled = counts
    overlap = Overlap(right=right, predicted=predicted, found=found, labelled=labelled)
    assert f1(np.array(counts, np.float64)) == pytest.approx(overlap.f1)


def test_a_large_frame_weighs_more_in_the_pool_than_in_the_mean() -> None:
    counts = np.array([[90, 100, 90, 100], [1, 10, 1, 10]], np.float64)
    assert mean_f1(counts, ["a", "b"]).value == pytest.approx(0.5)
    pooled = pooled_f1(counts, ["a", "b"])
    assert pooled.value == pytest.approx(91 / 110)
    assert (pooled.low, pooled.high) == pytest.approx((0.1, 0.9))


def test_groups_that_are_alike_leave_no_doubt() -> None:
    counts = np.tile(np.array([3.0, 4, 3, 4]), (6, 1))
    pooled = pooled_f1(counts, list("aabbcc"))
    assert pooled.low == pooled.value == pooled.high == 0.75


def test_settings_are_put_in_words() -> None:
    method = Frangi(dark=True, scales=(1.0, 2.5), low=85.0, high=99.5, tidy=Tidy(at_least=64, grown=0))
    assert words(asdict(method)) == "dark, scales 1/2.5, low 85, high 99.5, at least 64, grown 0"


def test_the_grids_hold_each_setting_once() -> None:
    assert GRIDS.keys() == TITLES.keys()
    assert all(len(set(grid)) == len(grid) for grid in GRIDS.values())


def test_the_table_has_what_is_complete_and_takes_networks_as_well(lines: DataSet, tmp_path: Path) -> None:
    run = partial(run_fold, "otsu", Chooser(lines, (Otsu(dark=False, smooth=0.5, tidy=ALL),)))
    folder = tmp_path / "folds"
    run_method(Method(name="otsu", run=run, settings={}), lines, [0, 1, 2], folder, 0)
    for number in range(3):
        samples = [sample for sample in lines.samples if sample.fold == number]
        perfect = [frame_overlaps(lines.mask(sample), lines.mask(sample)) for sample in samples]
        facts = {"title": "a network", "seconds": 1.0}
        write_fold(folder / "network" / f"fold{number}.npz", as_fold(samples, perfect, facts))
    (folder / "unfinished").mkdir()
    write_table(lines, folder, tmp_path)
    written = json.loads((tmp_path / "neurites_lines.json").read_text())
    assert [found["title"] for found in written["rows"]] == ["a network", "Otsu's threshold"]
    assert written["rows"][0]["dice"] == written["rows"][0]["within 0"] == "100.0 [100.0, 100.0]"
    assert written["rows"][1]["chosen"] == "bright, smooth 0.5, at least 1, grown 0 (3)"
    assert "| a network | 100.0" in (tmp_path / "neurites_lines.md").read_text()


def test_a_row_needs_every_frame_once(lines: DataSet) -> None:
    found = [frame_overlaps(lines.mask(sample), lines.mask(sample)) for sample in lines.samples]
    once = as_fold(lines.samples, found, {"title": "x", "seconds": 0})
    assert row(lines, Whole(name="x", title="x", runs={0: [once]}), {})["chosen"] is None
