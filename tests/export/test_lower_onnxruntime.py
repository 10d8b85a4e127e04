"""Lowering for ONNX Runtime: the placed nodes really run in INT8, and compute what they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import ModelFileError
from edgeneuro.export.candidates import candidate_placements
from edgeneuro.export.census import int8_convolutions, optimized_node_types
from edgeneuro.export.forms import ONNXRUNTIME, form_named
from edgeneuro.export.graph import convolutions, initializers
from edgeneuro.export.lower import lower
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.quantizable import quantizable_nodes
from edgeneuro.runtime.backends import open_backend
from edgeneuro.runtime.cpu import cpu_features
from edgeneuro.spec import Float32
from tests.export.conftest import Exported

FULL, REDUCED = form_named("onnxruntime-x86-vnni"), form_named("onnxruntime-x86")
needs_vnni = pytest.mark.skipif(
    "vnni" not in cpu_features(), reason="this processor shows no VNNI, sums would saturate"
)


def run(model: onnx.ModelProto, frames: Float32) -> Float32:
    backend = open_backend(ONNXRUNTIME, model.SerializeToString(), threads=1)
    output: Float32 = backend.run({backend.inputs[0].name: frames})[backend.outputs[0].name]
    return output


def one_convolution(weight: float, bias: float) -> onnx.ModelProto:
    """y = relu(weight * x + bias) for each pixel of a 2 x 2 image, as a 1 x 1 convolution."""
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w", "b"], ["c"], name="conv"),
            helper.make_node("Relu", ["c"], ["r"], name="relu"),
            helper.make_node("Abs", ["r"], ["y"], name="abs"),
        ],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1, 2, 2])],
        [
            numpy_helper.from_array(np.full((1, 1, 1, 1), weight, np.float32), "w"),
            numpy_helper.from_array(np.array([bias], np.float32), "b"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def plan_for_one(output: Range) -> Plan:
    ranges = {"x": Range(0.0, 25.5), "r": output}
    return Plan(method="by hand", ranges=ranges, biases={}, placement={ONNXRUNTIME: ("conv",)})


def test_one_convolution_gives_the_values_computed_by_hand() -> None:
    # input scale 0.1, output scale 0.2; 2.04 -> 20 steps -> 2.0, times 2 plus 1 = 5.0; 30 saturates at 25.5 -> 51.0
    model = lower(one_convolution(2.0, 1.0), plan_for_one(Range(0.0, 51.0)), FULL)
    x = np.array([[[[2.04, 0.0], [30.0, 10.0]]]], np.float32)
    assert run(model, x).ravel().tolist() == pytest.approx([5.0, 1.0, 51.0, 21.0], abs=1e-5)


def test_values_beyond_the_calibrated_output_saturate() -> None:
    model = lower(one_convolution(2.0, 1.0), plan_for_one(Range(0.0, 25.5)), FULL)
    assert run(model, np.full((1, 1, 2, 2), 20.0, np.float32)).max() == pytest.approx(25.5)


def test_corrected_bias_replaces_the_network_s_own() -> None:
    plan = replace(plan_for_one(Range(0.0, 51.0)), biases={"conv": (3.0,)})
    model = lower(one_convolution(2.0, 1.0), plan, FULL)
    assert run(model, np.zeros((1, 1, 2, 2), np.float32)).max() == pytest.approx(3.0, abs=0.1)


@needs_vnni
@pytest.mark.parametrize("name_part", ["every layer, the rest", "all but stem and depthwise, the rest"])
def test_every_placed_convolution_runs_in_int8_in_onnxruntime_s_own_graph(exported: Exported, name_part: str) -> None:
    placements = candidate_placements(exported.graph, FULL)
    nodes = next(nodes for name, nodes in placements.items() if name.startswith(name_part))
    lowered = lower(exported.graph, with_placement(exported.plan, ONNXRUNTIME, nodes), FULL)
    names = {node.name for node in convolutions(exported.graph.graph)}
    placed = len(names & set(nodes))
    assert int8_convolutions(lowered.SerializeToString()) == placed > 0
    assert optimized_node_types(lowered.SerializeToString())["Conv"] == len(names) - placed


def test_the_float_graph_has_no_convolution_in_int8(exported: Exported) -> None:
    assert int8_convolutions(exported.graph.SerializeToString()) == 0


@pytest.mark.parametrize("form", [pytest.param(FULL, marks=needs_vnni), REDUCED])
def test_every_candidate_stays_close_to_float_without_being_float(exported: Exported, form: object) -> None:
    expected = run(exported.graph, exported.frames)
    for name, nodes in candidate_placements(exported.graph, FULL).items():
        lowered = lower(exported.graph, with_placement(exported.plan, ONNXRUNTIME, nodes), form)  # type: ignore[arg-type]
        got = run(lowered, exported.frames)
        noise = np.sqrt(np.mean((got - expected) ** 2)) / expected.std()
        assert 0.0 < noise < 0.2, name  # 14 dB: an untrained network on noise, where nothing is redundant


def test_no_placement_leaves_the_network_as_it_was(exported: Exported) -> None:
    lowered = lower(exported.graph, with_placement(exported.plan, ONNXRUNTIME, ()), FULL)
    assert np.array_equal(run(lowered, exported.frames), run(exported.graph, exported.frames))


def test_reduced_form_keeps_weights_within_seven_bits(exported: Exported) -> None:
    nodes = tuple(node.name for node in convolutions(exported.graph.graph))
    plan = with_placement(exported.plan, ONNXRUNTIME, nodes)
    for form, limit in ((FULL, 127), (REDUCED, 63)):
        constants = initializers(lower(exported.graph, plan, form).graph)
        weights = [value for name, value in constants.items() if name.endswith("/weight/quantized")]
        assert len(weights) == len(nodes)
        assert max(int(np.abs(value.astype(int)).max()) for value in weights) == limit


def test_activations_are_unsigned_and_biases_int32(exported: Exported) -> None:
    nodes = tuple(node.name for node in convolutions(exported.graph.graph))
    constants = initializers(lower(exported.graph, with_placement(exported.plan, ONNXRUNTIME, nodes), FULL).graph)
    activations = [
        v for n, v in constants.items() if n.endswith("/zero_point") and "/weight/" not in n and "/bias/" not in n
    ]
    assert {value.dtype.name for value in activations} == {"uint8"}
    assert all(value.ndim == 0 for value in activations)
    assert {v.dtype.name for n, v in constants.items() if n.endswith("/bias/quantized")} == {"int32"}


def test_a_plan_for_another_network_is_refused(exported: Exported) -> None:
    with pytest.raises(
        ModelFileError, match=r"places node 'elsewhere' on onnxruntime, which model\.onnx cannot run in INT8 there"
    ):
        lower(exported.graph, with_placement(exported.plan, ONNXRUNTIME, ("elsewhere",)), FULL)


def test_a_plan_without_a_needed_range_is_refused() -> None:
    plan = replace(plan_for_one(Range(0.0, 51.0)), ranges={"x": Range(0.0, 1.0)})
    with pytest.raises(ModelFileError, match="no range for tensor 'r'; calibrate again"):
        lower(one_convolution(2.0, 1.0), plan, FULL)


def test_additions_with_a_constant_are_not_offered_for_int8() -> None:
    model = one_convolution(1.0, 0.0)
    model.graph.node.append(helper.make_node("Add", ["y", "b"], ["z"], name="shift"))
    assert [node.name for node in quantizable_nodes(model, FULL)] == ["conv"]


def test_max_pooling_between_int8_convolutions_stays_in_int8() -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c1"], name="first"),
            helper.make_node("Relu", ["c1"], ["r1"], name="relu"),
            helper.make_node("MaxPool", ["r1"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Conv", ["p", "w"], ["c2"], name="second"),
            helper.make_node("Abs", ["c2"], ["y"], name="abs"),
        ],
        "pooled",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 16, 4, 4])],
        [numpy_helper.from_array(np.random.default_rng(0).standard_normal((16, 16, 1, 1)).astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    ranges = {"x": Range(-3, 3), "r1": Range(0, 12), "p": Range(0, 11), "c2": Range(-20, 20)}
    plan = Plan(method="by hand", ranges=ranges, biases={}, placement={ONNXRUNTIME: ("first", "pool", "second")})
    kinds = optimized_node_types(lower(model, plan, FULL).SerializeToString())
    assert kinds["QLinearConv"] == 2
    assert kinds["QuantizeLinear"] == 1  # of the input alone: nothing is requantised on the way
