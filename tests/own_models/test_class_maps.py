"""A classifier of somebody's own that has class maps: the same door, and the same explanations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeneuro.export.build import BuildSettings, build_engine
from edgeneuro.export.candidates import candidate_placements
from edgeneuro.export.file_options import FileOptions
from edgeneuro.export.forms import FORMS
from edgeneuro.export.onnx_file import read_onnx
from edgeneuro.manifest import Task
from edgeneuro.runtime import TensorOutputs, open_engine
from edgeneuro.runtime.backends import open_backend
from tests.own_models.files import explaining, frames
from tests.own_models.test_build_and_run import FLOAT, build_int8


def outputs_of(path: Path, task: Task | None = None) -> tuple[Task, list[str], tuple[str, ...]]:
    file = read_onnx(path, FileOptions(task=task))
    return file.task, [item.name for item in file.graph.graph.output], file.notes


def test_class_maps_beside_the_classes_make_a_classifier_that_explains_itself(tmp_path: Path) -> None:
    task, outputs, notes = outputs_of(explaining(tmp_path / "c.onnx"))
    assert (task, outputs) == ("classification", ["y", "class_maps"])
    assert notes == ("a softmax at its end was taken off; the engine applies its own",)


def test_the_maps_are_what_is_averaged_without_a_copy_between_and_stay_out_of_int8(tmp_path: Path) -> None:
    graph = read_onnx(explaining(tmp_path / "c.onnx")).graph
    assert [node.op_type for node in graph.graph.node] == [
        "Conv",
        "Relu",
        "Conv",
        "GlobalAveragePool",
        "Flatten",
        "Add",
    ]
    first, head, pooling = (node for node in graph.graph.node if node.op_type in ("Conv", "GlobalAveragePool"))
    assert head.output[0] == pooling.input[0] == "class_maps"
    for form in (form for form in FORMS.values() if form.operators):
        assert set(candidate_placements(graph, form).values()) == {(first.name,)}


def test_two_outputs_of_other_names_stay_tensors(tmp_path: Path) -> None:
    assert outputs_of(explaining(tmp_path / "c.onnx", maps="heat"))[:2] == ("tensors", ["y", "heat"])


def test_maps_of_fewer_classes_explain_nothing_and_the_note_says_so(tmp_path: Path) -> None:
    path = explaining(tmp_path / "c.onnx", classes=2)
    task, outputs, notes = outputs_of(path)
    assert (task, outputs) == ("tensors", ["y", "class_maps"])
    said = "output class_maps has shape (1, 2, 8, 8) of float32, not (batch, 3, height, width) of float32, so it explains nothing"
    assert notes == (said,)
    task, outputs, notes = outputs_of(path, "classification")
    assert (task, outputs) == ("classification", ["y"])
    assert notes[0] == said


def test_asked_for_a_classifier_the_maps_stay_and_what_else_there_is_goes(tmp_path: Path) -> None:
    path = explaining(tmp_path / "c.onnx", more=True)
    assert outputs_of(path)[:2] == ("tensors", ["y", "features", "class_maps"])
    task, outputs, notes = outputs_of(path, "classification")
    assert (task, outputs) == ("classification", ["y", "class_maps"])
    assert notes[0] == "outputs features were left out; a classification has one beside class_maps"


def test_asked_for_tensors_everything_stays_as_it_is(tmp_path: Path) -> None:
    assert outputs_of(explaining(tmp_path / "c.onnx"), "tensors") == ("tensors", ["y", "class_maps"], ())
    build_engine(
        str(explaining(tmp_path / "c.onnx")), tmp_path / "c.edge", settings=FLOAT, options=FileOptions(task="tensors")
    )
    with open_engine(tmp_path / "c.edge") as engine:
        assert isinstance(engine(np.zeros((32, 32), np.uint8)), TensorOutputs)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_engine_gives_the_maps_of_the_file_and_the_gate_looks_at_the_classes(
    tmp_path: Path, precision: str
) -> None:
    source, data = explaining(tmp_path / "c.onnx"), frames(tmp_path / "data")
    if precision == "int8":  # every convolution, the one that makes the maps too
        manifest = build_int8(source, tmp_path / "c.edge", data, FileOptions())
        assert "graphs/onnxruntime.int8-reduced.onnx" in [graph.path for graph in manifest.graphs]
    else:
        manifest = build_engine(str(source), tmp_path / "c.edge", settings=BuildSettings(precision="fp32"))
    assert [spec.name for spec in manifest.outputs] == ["y", "class_maps"]
    assert manifest.outputs[1].axes == ("batch", "class", "height", "width")
    assert (manifest.classes, manifest.primary_metric) == (("class_0", "class_1", "class_2"), "balanced_accuracy")
    frame = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    fed = frame[None, None] / np.float32(255)
    expected = open_backend("onnxruntime", source.read_bytes(), threads=1).run({"x": fed})
    with open_engine(tmp_path / "c.edge") as engine:  # which checks both outputs against the golden ones
        made = engine.classify(frame)
    largest = np.abs(expected["class_maps"]).max()
    close = 0.1 if precision == "int8" else 1e-6
    assert made.class_maps is not None
    assert np.abs(made.class_maps - expected["class_maps"][0]).max() < close * largest
    np.testing.assert_allclose(list(made.probabilities.values()), expected["y"][0], atol=close)
