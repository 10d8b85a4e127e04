"""A graph that names files to read weights from is found in its bytes, wherever it hides them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.errors import BackendError
from edgeneuro.runtime import onnx_wire
from edgeneuro.runtime.backends import open_backend
from edgeneuro.runtime.onnx_wire import has_outside_weights, interface_names, standard_nodes
from tests.runtime.bundles import tiny_onnx


def outside() -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    return tensor


def in_initializer(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(outside())


def in_attribute(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=outside()))


def in_subgraph(model: onnx.ModelProto) -> None:
    branch = helper.make_graph([], "branch", [], [], [outside()])
    model.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=branch, else_branch=branch))


def in_sparse_initializer(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add().values.CopyFrom(outside())


def in_function(model: onnx.ModelProto) -> None:
    model.functions.add().node.append(helper.make_node("Constant", [], ["c"], value=outside()))


@pytest.mark.parametrize("hide", [in_initializer, in_attribute, in_subgraph, in_sparse_initializer, in_function])
def test_outside_weights_are_found_and_such_a_graph_is_not_opened(hide: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load_from_string(tiny_onnx())
    assert not has_outside_weights(model.SerializeToString())
    hide(model)
    assert has_outside_weights(model.SerializeToString())
    with pytest.raises(BackendError, match="keeps weights in another file"):
        open_backend("onnxruntime", model.SerializeToString(), threads=1)


def test_a_file_in_the_working_folder_cannot_slip_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = onnx.load_from_string(tiny_onnx())
    onnx.save(model, "net.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(BackendError, match="keeps weights in another file"):
        open_backend("onnxruntime", Path("net.onnx").read_bytes(), threads=1)


def test_every_way_from_a_model_to_a_tensor_is_walked() -> None:
    names = {
        "ModelProto": "model",
        "TrainingInfoProto": "training",
        "FunctionProto": "function",
        "GraphProto": "graph",
        "NodeProto": "node",
        "AttributeProto": "attribute",
        "SparseTensorProto": "sparse",
        "TensorProto": "tensor",
    }
    for message, kind in names.items():
        descriptor: Any = getattr(onnx, message).DESCRIPTOR
        ways = {
            field.number: names[field.message_type.name]
            for field in descriptor.fields
            if field.message_type is not None and field.message_type.name in names
        }
        assert ways == dict(onnx_wire._FIELDS.get(kind, {})), message
    assert onnx.TensorProto.DESCRIPTOR.fields_by_name["external_data"].number == 13


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_judged_or_refused_as_not_protobuf(data: bytes) -> None:
    try:
        found = has_outside_weights(data)
    except ValueError:
        return
    assert isinstance(found, bool)


def test_bytes_that_are_no_model_are_refused_by_the_backend() -> None:
    with pytest.raises(BackendError, match="not ONNX"):
        open_backend("onnxruntime", b"\xff" * 40, threads=1)


def test_nodes_are_read_as_onnx_reads_them() -> None:
    model = onnx.load_model_from_string(tiny_onnx())
    model.graph.node[0].name = "pool"
    model.graph.node.append(helper.make_node("Own", ["logits"], ["other"], domain="somewhere"))
    nodes = standard_nodes(model.SerializeToString())
    assert [(node.name, node.operator, node.inputs, node.outputs, node.attributes) for node in nodes] == [
        (
            node.name,
            node.op_type,
            tuple(node.input),
            tuple(node.output),
            tuple(item.name for item in node.attribute),
        )
        for node in model.graph.node[:-1]
    ]
    assert nodes[0].name == "pool"
    assert nodes[2].attributes == ("transB",)


def test_names_of_the_interface_are_read_in_order() -> None:
    model = onnx.ModelProto.FromString(tiny_onnx())
    model.graph.output.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["batch", 1]))
    assert interface_names(model.SerializeToString()) == (["image"], ["logits", "flat"])
