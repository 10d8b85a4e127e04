"""What a file does not say of itself: from options, from a TOML file, against the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgeneuro.cli.preprocess_options import TaskName, file_options
from edgeneuro.errors import CheckpointError, EdgeNeuroError, InputError, ModelFileError, UsageError
from edgeneuro.export.build import BuildSettings, build_engine
from edgeneuro.export.file_options import FileOptions, read_options
from edgeneuro.export.source import load_source
from tests.own_models.files import classifier, save, segmenter, two_inputs, value, weights

TOML = """
task = "segmentation"
height = 48
width = 64
bit_depth = 16
mean = [0.4]
shapes = { spectrum = [1, 80, 100] }
"""


def test_a_toml_file_says_the_same_as_options(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TOML)
    said = file_options(
        task=TaskName.segmentation, size="64x48", bit_depth=16, mean="0.4", shapes=["spectrum=1x80x100"]
    )
    assert read_options(path) == said
    assert said == FileOptions(
        task="segmentation", height=48, width=64, bit_depth=16, mean=(0.4,), shapes={"spectrum": (1, 80, 100)}
    )


def test_options_go_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TOML)
    assert file_options(path, mean="0.1", size="32x32") == FileOptions(
        task="segmentation", height=32, width=32, bit_depth=16, mean=(0.1,), shapes={"spectrum": (1, 80, 100)}
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("height =", "is not a readable TOML file"),
        ("colour = 3", "unknown field 'colour'; expected bit_depth, channels"),
        ("bit_depth = 12", r"bit_depth: got 12, expected one of 8, 16"),
        ("mean = 'a'", r"mean: got 'a', expected a list"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"mine\.toml.*{words}"):
        read_options(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.toml: is not a readable TOML file"):
        read_options(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"size": "64"}, "--size: got '64', expected WIDTHxHEIGHT"),
        ({"size": "0x5"}, "--size: got '0x5'"),
        ({"mean": "a,b"}, "--mean: got 'a,b', expected numbers with commas"),
        ({"channels": 4}, "--channels: got '4', expected 1 or 3"),
        ({"bit_depth": 12}, "--bit-depth: got '12', expected 8 or 16"),
        ({"shapes": ["1x2"]}, "--shape: got '1x2', expected NAME=SIZES"),
        ({"shapes": ["x=1xn"]}, "--shape: got '1xn', expected NAME=SIZES"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_option(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        file_options(**given)


def test_the_largest_pixel_value_follows_the_bit_depth() -> None:
    assert FileOptions().preprocess(32, 32, 1).max_value == 255
    assert FileOptions(bit_depth=16).preprocess(32, 32, 1).max_value == 65535
    assert FileOptions(bit_depth=16, max_value=4095).preprocess(32, 32, 1).max_value == 4095


# --- against the graph


@pytest.mark.parametrize(
    ("make", "options", "task"),
    [
        (classifier, FileOptions(), "classification"),
        (classifier, FileOptions(task="tensors"), "tensors"),
        (segmenter, FileOptions(), "segmentation"),
        (segmenter, FileOptions(task="tensors"), "tensors"),
        (two_inputs, FileOptions(), "tensors"),
    ],
)
def test_the_task_follows_from_the_first_output_unless_it_is_given(
    tmp_path: Path, make: Any, options: FileOptions, task: str
) -> None:
    assert load_source(str(make(tmp_path / "net.onnx")), options).task == task


def test_outputs_that_do_not_exclude_each_other_are_no_classes(tmp_path: Path) -> None:
    path = str(classifier(tmp_path / "net.onnx", ending="Sigmoid"))
    assert load_source(path).task == "tensors"
    with pytest.raises(ModelFileError, match="'y' ends in Sigmoid, so its classes do not exclude each other"):
        load_source(path, FileOptions(task="classification"))


def test_a_small_map_of_features_is_no_mask(tmp_path: Path) -> None:
    path = str(segmenter(tmp_path / "net.onnx", scale=16))
    assert load_source(path).task == "tensors"
    with pytest.raises(ModelFileError, match=r"has shape \(1, 1, 4, 4\).*expected \(batch, class, height, width\)"):
        load_source(path, FileOptions(task="segmentation"))


def test_a_task_keeps_the_first_output_alone_and_says_so(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
        helper.make_node("Relu", ["x"], ["features"]),
    ]
    path = str(
        save(
            tmp_path / "net.onnx",
            nodes,
            [value("x", ["n", 3, 32, 32])],
            [value("y", ["n", 3]), value("features", ["n", 3, 32, 32])],
        )
    )
    assert load_source(path).task == "tensors"
    model = load_source(path, FileOptions(task="classification"))
    assert [item.name for item in model.graph.graph.output] == ["y"]
    assert [node.op_type for node in model.graph.graph.node] == ["GlobalAveragePool", "Flatten"]
    assert model.notes == ("outputs features were left out; a classification has one beside class_maps",)


def test_channels_last_are_turned_round(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0)]
    path = save(tmp_path / "net.onnx", nodes, [value("x", ["n", 32, 40, 3])], [value("y", ["n", 3])])
    model = load_source(str(path))
    assert model.inputs[0].shape == (-1, 3, 32, 40)
    assert any("channels last" in note for note in model.notes)


def test_free_channels_are_asked_for(tmp_path: Path) -> None:
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    path = str(save(tmp_path / "net.onnx", nodes, [value("x", ["n", "c", 32, 32])], [value("y", ["n", "c"])]))
    model = load_source(path, FileOptions(channels=3))
    assert model.inputs[0].shape == (-1, 3, 32, 32)
    with pytest.raises(ModelFileError, match=r"input 'x' is float \(n, c, 32, 32\), its axis 1 is free"):
        load_source(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (FileOptions(height=48, width=32), r"input 'x' is float \(n, 1, 32, 32\), --size asks for height 48"),
        (FileOptions(channels=3), r"--channels asks for channels 3"),
        (FileOptions(shapes={"z": (1,)}), "has no input 'z', expected --shape for one of x"),
        (FileOptions(shapes={"x": (1, 1, 64, 64)}), r"input 'x' is float .*, --shape says 1x1x64x64"),
    ],
)
def test_options_that_contradict_the_file_are_refused(tmp_path: Path, options: FileOptions, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_source(str(classifier(tmp_path / "net.onnx")), options)


def test_options_for_frames_do_not_apply_to_arrays(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"takes arrays \(map float .*, index int64 \(1\)\), so options for frames"):
        load_source(str(two_inputs(tmp_path / "net.onnx")), FileOptions(mean=(0.5,)))


def test_a_free_size_of_an_array_is_asked_for(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    path = str(save(tmp_path / "net.onnx", nodes, [value("x", ["n", "time", 4])], [value("y", ["n", "time", 4])]))
    with pytest.raises(ModelFileError, match=r"input 'x' is float \(n, time, 4\), its axis 1 is free.*--shape x="):
        load_source(path)
    assert load_source(path, FileOptions(shapes={"x": (1, 7, 4)})).inputs[0].shape == (1, 7, 4)


def test_a_model_that_says_its_preprocessing_takes_no_options() -> None:
    with pytest.raises((UsageError, CheckpointError), match="says itself how its input is made"):
        load_source("myositis", FileOptions(mean=(0.5,)))


# --- refusals


def _loop(path: Path) -> Path:
    body = helper.make_graph(
        [helper.make_node("Add", ["a", "a"], ["b"]), helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("a", ["n", 4])],
        [value("on", [], TensorProto.BOOL), value("b", ["n", 4])],
    )
    nodes = [helper.make_node("Loop", ["count", "", "x"], ["y"], body=body, name="again")]
    return save(path, nodes, [value("x", ["n", 4]), value("count", [], TensorProto.INT64)], [value("y", ["n", 4])])


def test_a_loop_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"has control flow \(Loop 'again'\), expected a graph without branches"):
        load_source(str(_loop(tmp_path / "net.onnx")))


def test_a_branch_that_sizes_decide_is_taken(tmp_path: Path) -> None:
    def branch(name: str, operator: str) -> Any:
        return helper.make_graph([helper.make_node(operator, ["x"], [name])], name, [], [value(name, ["n", 4])])

    nodes = [
        helper.make_node("Shape", ["x"], ["shape"], start=1, end=2),
        helper.make_node("Equal", ["shape", "four"], ["is_four"]),
        helper.make_node("Squeeze", ["is_four"], ["choice"]),
        helper.make_node("If", ["choice"], ["y"], then_branch=branch("t", "Relu"), else_branch=branch("e", "Neg")),
    ]
    path = save(tmp_path / "net.onnx", nodes, [value("x", [1, 4])], [value("y", [1, 4])], {"four": np.array([4])})
    assert [node.op_type for node in load_source(str(path)).graph.graph.node] == ["Relu"]


def test_half_precision_weights_are_refused_by_name(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["h", "w"], ["y"]),
    ]
    path = save(
        tmp_path / "net.onnx",
        nodes,
        [value("x", ["n", 4])],
        [value("y", ["n", 4], TensorProto.FLOAT16)],
        {"w": weights(4, 4).astype("float16")},
    )
    with pytest.raises(ModelFileError, match="weight 'w' is float16, expected float32; export it in float32"):
        load_source(str(path))


def test_an_output_that_is_no_tensor_is_refused(tmp_path: Path) -> None:
    sequence = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    nodes = [helper.make_node("SequenceConstruct", ["x"], ["y"])]
    path = save(tmp_path / "net.onnx", nodes, [value("x", ["n", 4])], [sequence])
    with pytest.raises(ModelFileError, match="'y' is a sequence, expected a tensor"):
        load_source(str(path))


def test_an_output_whose_size_depends_on_the_input_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("NonZero", ["r"], ["y"])]
    path = save(tmp_path / "net.onnx", nodes, [value("x", ["n", 40])], [value("y", [2, "k"], TensorProto.INT64)])
    with pytest.raises(EdgeNeuroError, match=r"output 'y': has shape .* for one input and .* for another"):
        build_engine(str(path), tmp_path / "net.edge", settings=BuildSettings(precision="fp32"))
