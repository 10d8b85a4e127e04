"""Somebody else's .onnx files: brought to one form, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.errors import ModelFileError
from edgeneuro.export.compute import compute_of, parameters
from edgeneuro.export.file_options import FileOptions
from edgeneuro.export.onnx_file import read_onnx
from edgeneuro.runtime.backends import open_backend
from tests.export.conftest import Exported


def classifier(opset: int = 20, side: int | str = 32, inputs: int = 1) -> onnx.ModelProto:
    """Convolution, mean over space, two classes."""
    weight = np.random.default_rng(0).standard_normal((2, 1, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"])]
    constants = [numpy_helper.from_array(weight, "w")]
    if opset >= 18:
        constants.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
        nodes.append(helper.make_node("ReduceMean", ["c", "axes"], ["y"], keepdims=0))
    else:
        nodes.append(helper.make_node("ReduceMean", ["c"], ["y"], axes=[2, 3], keepdims=0))
    names = ["x", "unused"][:inputs]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1, side, side]) for name in names],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def graph_of(path: Path) -> onnx.ModelProto:
    return read_onnx(path).graph


def saved(model: onnx.ModelProto, folder: Path, *, weights_beside: bool = False) -> Path:
    path = folder / "net.onnx"
    onnx.save(model, str(path), save_as_external_data=weights_beside, location="net.data", size_threshold=0)
    return path


@pytest.mark.parametrize("opset", [13, 17, 20])
def test_older_opsets_are_converted_and_compute_the_same(tmp_path: Path, opset: int) -> None:
    original = classifier(opset)
    model = graph_of(saved(original, tmp_path))
    assert [item.version for item in model.opset_import] == [20]
    assert model.ir_version == 10
    frames = np.random.default_rng(1).standard_normal((2, 1, 32, 32)).astype(np.float32)
    before, after = (
        open_backend("onnxruntime", graph.SerializeToString(), threads=1).run({"x": frames})["y"]
        for graph in (original, model)
    )
    assert np.abs(before - after).max() < 1e-6
    assert all(node.name for node in model.graph.node)


def test_cost_of_a_foreign_graph_is_counted(tmp_path: Path) -> None:
    model = graph_of(saved(classifier(), tmp_path))
    assert parameters(model) == 2 * 9
    assert compute_of(model).macs == 2 * 9 * 30 * 30


def test_weights_beside_the_file_are_taken_in(tmp_path: Path) -> None:
    path = saved(classifier(), tmp_path, weights_beside=True)
    model = graph_of(path)
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    path = saved(classifier(), tmp_path, weights_beside=True)
    (tmp_path / "net.data").unlink()
    with pytest.raises(ModelFileError, match=r"net\.onnx.*net\.data.*beside it"):
        graph_of(path)


def swish() -> onnx.ModelProto:
    """The classifier at opset 24, with an operator that opset 20 does not have."""
    model = classifier()
    model.opset_import[0].version = 24
    model.graph.node.insert(1, helper.make_node("Swish", ["c"], ["s"]))
    model.graph.node[2].input[0] = "s"
    return model


def test_an_opset_that_cannot_be_converted_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"net\.onnx: has opset 24, which cannot be converted to 20 \(.*Swish"):
        graph_of(saved(swish(), tmp_path))


def test_an_opset_that_nobody_knows_yet_is_refused(tmp_path: Path) -> None:
    model = classifier()
    model.opset_import[0].version = 99
    with pytest.raises(ModelFileError, match=r"has opset 99, which .*; export it again with opset_version=20"):
        graph_of(saved(model, tmp_path))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x0a\x12"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="is not a readable ONNX file"):
        graph_of(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"absent\.onnx"):
        graph_of(tmp_path / "absent.onnx")


def test_several_inputs_are_arrays(tmp_path: Path) -> None:
    file = read_onnx(
        saved(classifier(inputs=2), tmp_path), FileOptions(shapes={"x": (1, 1, 32, 32), "unused": (1, 1, 32, 32)})
    )
    assert (file.task, file.preprocess) == ("tensors", None)


def test_a_free_height_is_asked_for_by_name_and_size(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"input 'x' is float \(n, 1, s, s\), its height is free.*give --size"):
        graph_of(saved(classifier(side="s"), tmp_path))


def test_a_quantised_file_is_refused(tmp_path: Path) -> None:
    model = classifier()
    model.graph.initializer.append(numpy_helper.from_array(np.array(0.1, np.float32), "scale"))
    model.graph.node.insert(0, helper.make_node("QuantizeLinear", ["x", "scale"], ["q"]))
    with pytest.raises(ModelFileError, match="is quantised already"):
        graph_of(saved(model, tmp_path))


def test_an_exported_graph_goes_through_the_same_door(exported: Exported, tmp_path: Path) -> None:
    model = graph_of(saved(exported.graph, tmp_path))
    assert compute_of(model).layers == compute_of(exported.graph).layers


def test_an_operator_that_nobody_implements_is_refused_by_name(tmp_path: Path) -> None:
    model = classifier()
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    model.graph.node.append(helper.make_node("Own", ["c"], ["o"], domain="com.example"))
    with pytest.raises(ModelFileError, match=r"net\.onnx: cannot be run on one frame .*com\.example:Own.*; export it"):
        graph_of(saved(model, tmp_path))


def test_a_fixed_batch_of_several_frames_is_freed_where_each_frame_stands_alone(tmp_path: Path) -> None:
    model = classifier()
    for tensor in (model.graph.input[0], model.graph.output[0]):
        tensor.type.tensor_type.shape.dim[0].dim_value = 4
    file = read_onnx(saved(model, tmp_path))
    assert not file.graph.graph.input[0].type.tensor_type.shape.dim[0].HasField("dim_value")
    assert any("its batch was fixed" in note for note in file.notes)
    frames = np.random.default_rng(1).standard_normal((4, 1, 32, 32)).astype(np.float32)
    together, alone = (
        np.concatenate(
            [open_backend("onnxruntime", graph.SerializeToString(), threads=1).run({"x": part})["y"] for part in parts]
        )
        for graph, parts in ((classifier(), [frames]), (file.graph, np.split(frames, 4)))
    )
    assert np.abs(together - alone).max() < 1e-6


def test_a_batch_whose_frames_touch_each_other_stays_and_is_refused(tmp_path: Path) -> None:
    model = ending_in(helper.make_node("Softmax", ["logits"], ["y"], axis=0))
    for tensor in (model.graph.input[0], model.graph.output[0]):
        tensor.type.tensor_type.shape.dim[0].dim_value = 4
    with pytest.raises(
        ModelFileError, match=r"input 'x' is fixed to 4 frames at once and cannot be freed \(its outputs"
    ):
        graph_of(saved(model, tmp_path))


def test_a_batch_built_into_a_reshape_is_refused(tmp_path: Path) -> None:
    model = ending_in(helper.make_node("Reshape", ["logits", "shape"], ["y"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([4, 2]), "shape"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    with pytest.raises(ModelFileError, match=r"fixed to 4 frames at once and cannot be freed \(.*Reshape"):
        graph_of(saved(model, tmp_path))


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    model = classifier()
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.full((2, 1, 3, 3), np.nan, np.float32), "w"))
    with pytest.raises(ModelFileError, match="output 'y' is NaN or infinity for noise, expected finite numbers"):
        graph_of(saved(model, tmp_path))


def test_weights_listed_as_inputs_are_weights(tmp_path: Path) -> None:
    model = classifier(13)
    model.graph.input.insert(0, helper.make_tensor_value_info("w", TensorProto.FLOAT, [2, 1, 3, 3]))
    assert [item.name for item in graph_of(saved(model, tmp_path)).graph.input] == ["x"]


def ending_in(node: onnx.NodeProto) -> onnx.ModelProto:
    """The classifier with one more node, from its "logits" to its output "y"."""
    model = classifier()
    model.graph.node[-1].output[0] = "logits"
    model.graph.node.append(node)
    return model


@pytest.mark.parametrize(("operator", "axis"), [("Softmax", -1), ("Softmax", 1), ("LogSoftmax", -1)])
def test_a_softmax_at_the_end_is_taken_off_so_that_the_engine_s_own_is_the_only_one(
    tmp_path: Path, operator: str, axis: int
) -> None:
    last = helper.make_node(operator, ["logits"], ["y"], axis=axis)
    frames = np.random.default_rng(1).standard_normal((2, 1, 32, 32)).astype(np.float32)
    expected, got = (
        open_backend("onnxruntime", model.SerializeToString(), threads=1).run({"x": frames})["y"]
        for model in (classifier(), graph_of(saved(ending_in(last), tmp_path)))
    )
    assert np.abs(got - expected).max() < 1e-6
    assert expected.min() < 0, "logits, not probabilities"


def test_any_other_ending_stays(tmp_path: Path) -> None:
    model = ending_in(helper.make_node("Relu", ["logits"], ["y"]))
    assert graph_of(saved(model, tmp_path)).graph.node[-1].op_type == "Relu"
