"""Whatever measures a network on neurons draws them as the network was trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks.accuracy import evaluate
from edgeneuro.benchmarks.measure.frames import frames_for
from edgeneuro.benchmarks.measure.judge import judge_rows
from edgeneuro.benchmarks.measure.rival_source import rival_source
from edgeneuro.benchmarks.measure.settings import Settings
from edgeneuro.benchmarks.predictors import open_predictor
from edgeneuro.data.sample import DataSet
from edgeneuro.drawing import Drawing
from edgeneuro.errors import DataError
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime import read_bundle
from tests.benchmarks.compare.files import write_network
from tests.benchmarks.compare.running import run
from tests.benchmarks.frames import flat_data, split_of
from tests.neurons import Recorder, tree
from tests.runtime.bundles import SIDE, logits_of, tiny_manifest, write_bundle

DRAWING = Drawing(variant="raw", view="rgb", side_px=48)
CLASSES = ("dark", "grey", "bright")
TRAINED = tiny_manifest(classes=CLASSES, preprocess=Preprocess(height=SIDE, width=SIDE, drawing=DRAWING))
ON_FRAMES = tiny_manifest(classes=CLASSES)


def evaluate_engine(data: DataSet, folder: Path, *, trained: bool) -> None:
    engine = write_bundle(folder / "tiny.edge", TRAINED if trained else ON_FRAMES)
    with open_predictor(engine) as predictor:
        evaluate(predictor, data, subgroups=())


def evaluate_checkpoint(data: DataSet, folder: Path, *, trained: bool) -> None:
    split = split_of(data, training=["dark-0"])
    write_network(folder / "run", TRAINED if trained else ON_FRAMES, split=split)
    with open_predictor(folder / "run") as predictor:
        evaluate(predictor, data, subgroups=())


def compare_engines(data: DataSet, folder: Path, *, trained: bool) -> None:
    files = [write_bundle(folder / f"{name}.edge", TRAINED if trained else ON_FRAMES) for name in "ab"]
    run(*files, data=data)


def judge(data: DataSet, folder: Path, *, trained: bool) -> None:
    rows = {"fp32": lambda feed: {"logits": logits_of(feed["image"])}}
    judge_rows(TRAINED if trained else ON_FRAMES, data, rows, reference="fp32", subgroups=(), seed=0)


def calibrate_rivals(data: DataSet, folder: Path, *, trained: bool) -> None:
    bundle = read_bundle(write_bundle(folder / "tiny.edge", TRAINED if trained else ON_FRAMES))
    frames = frames_for(bundle, None, seed=0)
    rival_source("tiny", bundle, frames, None, Settings(calibration=data))


@pytest.mark.parametrize("use", [evaluate_engine, evaluate_checkpoint, compare_engines, judge, calibrate_rivals])
def test_neurons_are_drawn_as_the_network_was_trained_and_not_at_all_for_one_that_was_not(
    use: Callable[..., None], tmp_path: Path
) -> None:
    recorder = Recorder(flat_data(CLASSES))
    use(recorder.data, tmp_path, trained=True)
    assert set(recorder.asked) == {DRAWING}
    with pytest.raises(DataError, match="flat: holds neurons, but the network does not say how they are drawn"):
        use(recorder.data, tmp_path, trained=False)


def test_what_is_timed_is_drawn_anew_each_time(tmp_path: Path) -> None:
    bundle = read_bundle(write_bundle(tmp_path / "tiny.edge", TRAINED))
    recorder = Recorder(replace(flat_data(CLASSES), simulated=False))
    frames = frames_for(bundle, recorder.data, seed=0)
    assert frames.capture is not None and recorder.asked == []
    np.testing.assert_array_equal(frames.capture(3), DRAWING(tree()))
