"""Layers are compared on validation groups: neither those that were trained on, nor those that judge at the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from edgeneuro.data.make_split import make_split
from edgeneuro.data.sample import DataSet, Sample
from edgeneuro.errors import DataError, UsageError
from edgeneuro.export.parts import calibration_part, choosing_part, split_of, training_frames
from edgeneuro.export.source import FloatModel
from edgeneuro.manifest import Compute
from edgeneuro.preprocess import Preprocess

DATA = DataSet(
    name="frames",
    classes=("dark", "bright"),
    samples=tuple(Sample(source=f"g{i}", index=0, target=i % 2, group=f"g{i}") for i in range(40)),
    reader=lambda sample: np.full((32, 32), int(sample.source[1:]), np.uint8),
)
MODEL = FloatModel(
    name="mine",
    graph=onnx.ModelProto(),
    compute=Compute(params=1, macs=1),
    classes=("dark", "bright"),
    primary_metric="balanced_accuracy",
    preprocess=Preprocess(height=32, width=32, mean=(0.0,), std=(1.0,)),
    provenance={},
)


def groups(data: DataSet) -> set[str]:
    return {sample.group for sample in data.samples}


def test_layers_are_compared_on_groups_that_are_in_no_other_part() -> None:
    split = make_split(DATA, fold=0, seed=0)
    chosen, noted = calibration_part(MODEL, DATA, DATA, split, 300, seed=0)
    held = choosing_part(MODEL, DATA, noted)
    assert held is not None
    tested = {sample.group for sample in split.part(DATA.samples, "test")}
    assert groups(held) and groups(chosen) and tested
    assert groups(held).isdisjoint(groups(chosen) | tested)
    assert groups(chosen).isdisjoint(tested)


def test_a_bare_file_gets_a_split_of_the_labelled_frames_and_a_checkpoint_keeps_its_own() -> None:
    own = make_split(DATA, fold=1, seed=3)
    assert split_of(replace(MODEL, split=own), DATA, seed=0) == own
    assert split_of(MODEL, DATA, seed=0) == make_split(DATA, fold=0, seed=0)
    assert split_of(MODEL, replace(DATA, classes=()), seed=0) is None


def test_without_labels_of_the_task_there_is_nothing_to_score() -> None:
    split = make_split(DATA, fold=0, seed=0)
    assert choosing_part(MODEL, None, split) is None
    assert choosing_part(MODEL, replace(DATA, classes=()), split) is None
    assert choosing_part(replace(MODEL, task="segmentation"), DATA, split) is None


def test_frames_of_other_classes_are_refused() -> None:
    with pytest.raises(DataError, match="has classes dark, bright, mine tells apart cat, dog"):
        choosing_part(replace(MODEL, classes=("cat", "dog")), DATA, make_split(DATA, fold=0, seed=0))


def test_a_bare_file_without_frames_is_refused() -> None:
    with pytest.raises(UsageError, match="mine: does not say what it was trained on; name a folder of frames"):
        training_frames(MODEL, None, None)


def test_an_unlabelled_folder_with_a_test_frame_in_it_is_refused() -> None:
    split = make_split(DATA, fold=0, seed=0)
    loose = replace(
        DATA,
        name="loose",
        classes=(),
        samples=tuple(replace(s, target=None, group=f"x{s.source}") for s in DATA.samples),
    )
    with pytest.raises(DataError, match=r"loose: .* calibration frames are test frames of frames"):
        calibration_part(MODEL, loose, DATA, split, 300, seed=0)
