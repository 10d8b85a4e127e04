"""Rewrites of the float graph change its form, never its values."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.export.rewrite import use_global_average_pool
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Array


def mean_over(axes: list[int], *, keepdims: int) -> onnx.ModelProto:
    """|x| and its mean, for x of (batch, 3, 4, 5)."""
    graph = helper.make_graph(
        [
            helper.make_node("Abs", ["x"], ["a"], name="abs"),
            helper.make_node("ReduceMean", ["a", "axes"], ["y"], name="mean", keepdims=keepdims),
        ],
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 4, 5])],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.array(axes), "axes")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: onnx.ModelProto) -> Array:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    return open_backend("onnxruntime", model.SerializeToString(), threads=1).run({"x": x})["y"]


@pytest.mark.parametrize("axes", [[2, 3], [-1, -2]])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_a_mean_over_height_and_width_becomes_a_pooling_of_the_same_value(axes: list[int], keepdims: int) -> None:
    model = mean_over(axes, keepdims=keepdims)
    before = run(model)
    assert use_global_average_pool(model) == 1
    kinds = [node.op_type for node in model.graph.node]
    assert "GlobalAveragePool" in kinds and "ReduceMean" not in kinds
    after = run(model)
    assert after.shape == before.shape
    assert np.abs(after - before).max() < 1e-6  # the order of a float32 sum of 20 values
    assert not model.graph.initializer


@pytest.mark.parametrize("axes", [[1], [2], [1, 2, 3]])
def test_means_over_other_axes_are_left_alone(axes: list[int]) -> None:
    model = mean_over(axes, keepdims=1)
    assert use_global_average_pool(model) == 0
    assert [node.op_type for node in model.graph.node] == ["Abs", "ReduceMean"]
