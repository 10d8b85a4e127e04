"""Editing graphs."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from edgeneuro.errors import ModelFileError
from edgeneuro.export.graph import sort_nodes


def graph_of(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    return helper.make_graph(list(nodes), "any", ends[:1], ends[1:])


def test_nodes_are_sorted_so_that_each_follows_what_it_reads() -> None:
    graph = graph_of(
        helper.make_node("Add", ["a", "a"], ["y"], name="last"), helper.make_node("Abs", ["x"], ["a"], name="first")
    )
    sort_nodes(graph)
    assert [node.name for node in graph.node] == ["first", "last"]


def test_nodes_that_wait_for_each_other_are_named_not_waited_for() -> None:
    graph = graph_of(
        helper.make_node("Add", ["x", "y"], ["a"], name="one"), helper.make_node("Abs", ["a"], ["y"], name="two")
    )
    with pytest.raises(ModelFileError, match=r"node '(one|two)' reads what is made from its own output"):
        sort_nodes(graph)
