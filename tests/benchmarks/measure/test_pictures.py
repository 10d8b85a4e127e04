"""Which frames of a segmentation a report shows, measured with tiny engines that cover frames with tiles."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks.document import OURS, AccuracyRecord, Report, Row
from edgeneuro.benchmarks.measure.judge import judge_rows
from edgeneuro.benchmarks.measure.pictures import SCORED, ranked, take_pictures
from edgeneuro.benchmarks.measure.settings import Settings
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.manifest import Interval
from edgeneuro.metrics import mask_scores
from edgeneuro.runtime import open_engine, read_bundle
from edgeneuro.runtime.bundle import pack_bundle
from edgeneuro.spec import Array, Frame
from edgeneuro.volume import Volume
from tests.benchmarks.documents import sample_report
from tests.benchmarks.frames import split_of
from tests.runtime.tiled_bundles import TILE_2D, TILE_3D, mask_by_hand, write_tiled_bundle

SETTINGS = Settings(threads=1, seed=3)


def squares(shape: tuple[int, ...], count: int = 5) -> DataSet:
    """Bright blocks on black, larger from frame to frame; the label misses ever more of the block."""
    samples = tuple(
        Sample(source=f"frame-{number}.tif", index=0, target=None, group=f"animal {number}") for number in range(count)
    )

    def read(sample: Sample) -> Frame:
        frame = np.zeros(shape, np.uint8)
        frame[..., 4:16, 4:20] = 250
        return frame

    def mask(sample: Sample) -> Array:
        truth = (read(sample) > 0).astype(np.uint8)
        truth[..., : 4 + 2 * int(sample.group.split()[1]), :] = 0
        return truth

    volumes = len(shape) == 3
    return DataSet(
        name="squares",
        classes=("background", "neurite"),
        samples=samples,
        reader=read,
        mask_reader=mask,
        volume_reader=(lambda sample: Volume(voxels=read(sample), spacing_um=(1.0, 1.0, 1.0))) if volumes else None,
    )


def report_of(path: Path, *, precisions: tuple[str, ...] = ("fp32",), task: str = "segmentation") -> Report:
    """Of one engine that was judged by Dice."""
    dice = Interval(value=0.5, low=0.4, high=0.6)
    judged = AccuracyRecord(
        data="squares", protocol=None, frames=5, groups=5, metric="dice", value=dice, drop_points=None, agreement=None,
        output_error=None, unit="tile",
    )  # fmt: skip
    report = sample_report()
    rows = tuple(
        Row(
            name=f"{path.name}: {precision} onnxruntime", engine=path.name, tool=OURS, backend="onnxruntime",
            precision=precision, accuracy=judged,
        )
        for precision in precisions
    )  # fmt: skip
    engine = dataclasses.replace(report.engines[0], name=path.name, task=task)
    return dataclasses.replace(report, engines=(engine,), rows=rows, comparisons=())


@pytest.mark.parametrize(("tile", "shape"), [(TILE_2D, (30, 40)), (TILE_3D, (10, 30, 40))])
def test_worst_median_and_best_are_whole_frames_by_the_dice_of_the_engines_own_call(
    tile: tuple[int, ...], shape: tuple[int, ...], tmp_path: Path
) -> None:
    path = write_tiled_bundle(tmp_path / "tiles.edge", tile)
    data = squares(shape)
    report, files = take_pictures(report_of(path), [path], data, settings=SETTINGS)
    (found,) = report.pictured
    assert (found.row, found.volumes) == ("tiles.edge: fp32 onnxruntime", len(shape) == 3)
    assert (found.scored, found.judged) == (5, 5)
    assert [(one.rank, one.source) for one in found.frames] == [
        ("worst", "frame-4.tif"), ("median", "frame-2.tif"), ("best", "frame-0.tif")
    ]  # fmt: skip
    assert set(files) == {(found.row, rank) for rank in ("worst", "median", "best")}
    by_hand = mask_by_hand(path, data.read(data.samples[4]))
    assert found.frames[0].dice == mask_scores(data.mask(data.samples[4]), by_hand, 2).dice[0]
    assert found.frames[0].false == pytest.approx(1 - 4 / 12, abs=0.1)
    for pair in files.values():
        assert all(file.startswith(b"\x89PNG") for file in pair)


def test_no_more_frames_are_scored_than_the_limit_and_the_seed_draws_them(tmp_path: Path) -> None:
    path = write_tiled_bundle(tmp_path / "tiles.edge", TILE_2D)
    data = squares((30, 40), SCORED + 20)
    report = report_of(path)
    first, again, other = (
        take_pictures(report, [path], data, settings=dataclasses.replace(SETTINGS, seed=seed))[0].pictured[0]
        for seed in (0, 0, 1)
    )
    assert (first.scored, first.judged) == (SCORED, SCORED + 20)
    assert first == again != other


def test_frames_that_the_network_was_trained_on_are_not_shown(tmp_path: Path) -> None:
    path = write_tiled_bundle(tmp_path / "tiles.edge", TILE_2D)
    data, bundle = squares((30, 40)), read_bundle(path)
    split = split_of(data, training=["animal 4", "animal 0"])
    path.write_bytes(pack_bundle(dataclasses.replace(bundle.manifest, split=split), bundle.members))
    report, _ = take_pictures(report_of(path), [path], data, settings=SETTINGS)
    assert report.pictured[0].judged == 3
    assert {one.source for one in report.pictured[0].frames} == {"frame-1.tif", "frame-2.tif", "frame-3.tif"}


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, {"best": 0}), (2, {"worst": 1, "best": 0}), (3, {"worst": 2, "median": 1, "best": 0})],
)
def test_no_frame_is_shown_twice(count: int, expected: dict[str, int]) -> None:
    assert ranked({number: 1.0 - number / 10 for number in range(count)}) == expected
    assert list(ranked({number: 0.5 for number in range(4)}).values()) == [0, 1, 3]


def test_a_classifier_a_row_without_dice_and_a_run_without_data_have_no_pictures(tmp_path: Path) -> None:
    path = write_tiled_bundle(tmp_path / "tiles.edge", TILE_2D)
    data = squares((30, 40))
    plain = report_of(path)
    unjudged = dataclasses.replace(plain, rows=tuple(dataclasses.replace(row, accuracy=None) for row in plain.rows))
    for report, given in ((report_of(path, task="classification"), data), (unjudged, data), (plain, None)):
        assert take_pictures(report, [path], given, settings=SETTINGS) == (report, {})


def test_the_first_int8_graph_is_asked_and_what_it_cannot_answer_is_said(tmp_path: Path) -> None:
    path = write_tiled_bundle(tmp_path / "tiles.edge", TILE_2D)  # holds no such graph
    report, files = take_pictures(
        report_of(path, precisions=("fp32", "int8")), [path], squares((30, 40)), settings=SETTINGS
    )
    assert (report.pictured, files) == ((), {})
    assert "int8" in report.not_measured["tiles.edge: pictures"]


def test_accuracy_of_a_network_for_tiles_is_said_to_be_of_tiles(tmp_path: Path) -> None:
    path = write_tiled_bundle(tmp_path / "tiles.edge", TILE_2D)
    data = squares((30, 40), 2)
    with open_engine(path) as engine:
        manifest = read_bundle(path).manifest
        found = judge_rows(manifest, data, {"fp32": engine.infer}, reference="fp32", subgroups=None, seed=0)["fp32"]
    assert (found.unit, found.frames) == ("tile", 2 * 6)
