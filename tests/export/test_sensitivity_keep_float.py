"""The keep-float list is read for the network it was made for, and refused for every other."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.errors import InputError
from edgeneuro.export.keep_float import GraphIdentity, KeepFloat, read_keep_float


def network(weight: float = 1.0, convolutions: int = 2) -> onnx.ModelProto:
    """Pointwise convolutions conv_1, conv_2, ... in a row."""
    tensors = ["x", *(f"t{number}" for number in range(1, convolutions + 1))]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", [before, "w"], [after], name=f"conv_{number + 1}")
            for number, (before, after) in enumerate(pairwise(tensors))
        ],
        "row",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, 2, 2])],
        [helper.make_tensor_value_info(tensors[-1], TensorProto.FLOAT, ["batch", 1, 2, 2])],
        [numpy_helper.from_array(np.full((1, 1, 1, 1), weight, np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def listed(**nodes: str) -> KeepFloat:
    return KeepFloat(model=GraphIdentity.of(network(), "row"), form="onnxruntime-x86-vnni", nodes=nodes)


def test_a_list_comes_back_from_its_file_with_its_reasons(tmp_path: Path) -> None:
    path = tmp_path / "keep.json"
    path.write_bytes(listed(conv_2="costs most").to_bytes())
    assert read_keep_float(path) == listed(conv_2="costs most")
    assert read_keep_float(path).reasons(network(), "row", "keep.json") == {"conv_2": "costs most"}


def test_remarks_in_the_file_do_not_make_another_network() -> None:
    remarked = network()
    remarked.producer_name = "another tool"
    remarked.graph.node[0].doc_string = "line 12"
    remarked.graph.node[1].metadata_props.add(key="stack", value="forward")
    assert GraphIdentity.of(remarked, "row") == GraphIdentity.of(network(), "row")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (network(convolutions=3), "2 nodes there, 3 here"),
        (network(weight=2.0), "the same layers with other weights"),
    ],
)
def test_another_network_is_refused_saying_what_differs(other: onnx.ModelProto, said: str) -> None:
    with pytest.raises(InputError, match=rf"keep\.json: belongs to row, and mine is another network: {said}"):
        listed(conv_1="x").reasons(other, "mine", "keep.json")


def test_an_attribute_that_changed_is_another_network() -> None:
    other = network()
    other.graph.node[0].attribute.append(helper.make_attribute("group", 1))
    with pytest.raises(InputError, match="as many nodes, but other names, operators or sizes"):
        listed(conv_1="x").reasons(other, "mine", "keep.json")


def test_a_node_that_there_is_not_is_refused_naming_the_nearest() -> None:
    with pytest.raises(
        InputError, match=r"keeps node 'conv_11' in float, which row does not have; did you mean 'conv_1'"
    ):
        listed(conv_11="typo").reasons(network(), "row", "keep.json")
    with pytest.raises(InputError, match="take names from `edgeneuro sensitivity`"):
        listed(zzz="typo").reasons(network(), "row", "keep.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "is not JSON"),
        (b"[1]", "got \\[1\\], expected an object"),
        (b'{"schema": 99}', "has schema 99, this edgeneuro reads up to 1; upgrade"),
        (b'{"nodes": {}}', "field 'form' is missing|field 'model' is missing"),
    ],
)
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "keep.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_keep_float(path)


def test_a_reason_that_is_no_text_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keep.json"
    value = json.loads(listed(conv_1="x").to_bytes())
    path.write_text(json.dumps({**value, "nodes": {"conv_1": 3}}))
    with pytest.raises(InputError, match=r"keep\.json\.nodes\.conv_1: got 3, expected text; write it with"):
        read_keep_float(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_keep_float(tmp_path / "none.json")


def test_the_same_list_has_the_same_bytes() -> None:
    first, second = listed(conv_1="a", conv_2="b"), listed(conv_2="b", conv_1="a")
    assert first.to_bytes() == second.to_bytes()
    assert replace(first, form="tensorrt").to_bytes() != second.to_bytes()
