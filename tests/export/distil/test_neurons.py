"""Students that look at neurons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from edgeneuro.data import open_data
from edgeneuro.data.make_split import make_split
from edgeneuro.drawing import Drawing
from edgeneuro.errors import DataError, UsageError
from edgeneuro.export.compress.records import Goal, SearchSettings
from edgeneuro.export.compress.steps import open_parts
from edgeneuro.export.distil.settings import DistilSettings
from edgeneuro.export.distil.student import open_student
from edgeneuro.export.source import FloatModel
from edgeneuro.manifest import Compute
from edgeneuro.models.build import build_model
from edgeneuro.preprocess import Preprocess
from edgeneuro.training.checkpoint import write_checkpoint
from tests.checkpoints import checkpoint_config
from tests.neurons import write_neurons

DRAWING = Drawing(view="xyz", side_px=48)
LOOK = Preprocess(height=32, width=32, drawing=DRAWING)
SMALL = DistilSettings(image_size=32)


@pytest.fixture
def neurons(tmp_path: Path) -> Path:
    """Ten neurons of two classes."""
    folder = tmp_path / "neurons"
    write_neurons(folder, [f"{label}/{number}.swc" for label in ("MC", "TPC") for number in range(5)])
    return folder


def teacher(neurons: Path, preprocess: Preprocess = LOOK) -> FloatModel:
    return FloatModel(
        name="large",
        graph=onnx.ModelProto(),
        compute=Compute(params=1, macs=1),
        classes=("MC", "TPC"),
        primary_metric="balanced_accuracy",
        preprocess=preprocess,
        provenance={},
        data=str(neurons),
    )


def checkpoint(folder: Path, neurons: Path) -> Path:
    """Of `small`, trained on pictures of the neurons."""
    write_checkpoint(
        folder,
        network=build_model("small", classes=2, channels=1),
        config=checkpoint_config(model="small", classes=("MC", "TPC"), preprocess=LOOK, data=str(neurons)),
        metrics={},
        split=make_split(open_data(str(neurons)), fold=0, seed=0),
    )
    return folder


def test_a_fresh_student_sees_the_pictures_that_its_teacher_saw(neurons: Path) -> None:
    student = open_student("small", SMALL, teacher(neurons))
    assert student.dataset.drawing == DRAWING and student.settings.drawing == DRAWING


def test_a_teacher_that_was_not_trained_on_neurons_teaches_nothing_about_them(neurons: Path) -> None:
    with pytest.raises(DataError, match="neurons: holds neurons, but the network does not say how they are drawn"):
        open_student("small", SMALL, teacher(neurons, replace(LOOK, drawing=None)))


def test_a_student_from_a_checkpoint_keeps_its_pictures_and_needs_a_teacher_of_the_same(
    neurons: Path, tmp_path: Path
) -> None:
    folder = checkpoint(tmp_path / "run", neurons)
    assert open_student(str(folder), SMALL, teacher(neurons)).dataset.drawing == DRAWING
    other = replace(LOOK, drawing=replace(DRAWING, view="type"))
    with pytest.raises(
        UsageError, match="looks at other drawings of neurons than its teacher large, expected the same"
    ):
        open_student(str(folder), SMALL, teacher(neurons, other))


def test_a_search_for_smaller_networks_looks_at_the_pictures_of_its_base(neurons: Path, tmp_path: Path) -> None:
    base = checkpoint(tmp_path / "run", neurons)
    parts = open_parts(SearchSettings(base=str(base), goal=Goal(macs=0.5)))
    assert {part.drawing for part in (parts.whole, parts.training, parts.validation, parts.test)} == {DRAWING}
