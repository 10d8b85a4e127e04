"""FP16 graphs: valid, close to float, and float32 wherever FP16 would be wrong."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeneuro.calibration.ranges import Range
from edgeneuro.errors import ModelFileError
from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.forms import form_named
from edgeneuro.export.fp16 import overflowing_nodes, to_half
from edgeneuro.export.fp16_keep import holds
from edgeneuro.export.lower import lower
from edgeneuro.export.plan import with_placement
from edgeneuro.export.quantizable import quantizable_nodes
from edgeneuro.runtime.backends.trt.builder import evidence
from edgeneuro.spec import Array
from tests.export.conftest import Exported
from tests.tiny_graphs import graph_of, quantized_convolution


def frame() -> Array:
    return np.random.default_rng(0).standard_normal((1, 8, 6, 6)).astype(np.float32)


def run(model: onnx.ModelProto, x: Array) -> Array:
    return open_emulated(model).run({"x": x})["y"]


def casts(model: onnx.ModelProto) -> int:
    return sum(node.op_type == "Cast" for node in model.graph.node)


def constant_types(model: onnx.ModelProto) -> Counter[str]:
    return Counter(TensorProto.DataType.Name(tensor.data_type) for tensor in model.graph.initializer)


def type_of_input(model: onnx.ModelProto, name: str, position: int) -> int:
    """ONNX element type that node `name` reads there, by ONNX's own inference."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {item.name: item.type.tensor_type.elem_type for item in (*graph.input, *graph.value_info, *graph.output)}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    node = next(node for node in graph.node if node.name == name)
    return int(types[node.input[position]])


def test_stanet_in_fp16_is_close_to_float_and_all_its_constants_are_half(exported: Exported) -> None:
    half = to_half(exported.graph)
    assert set(constant_types(half)) <= {"FLOAT16", "INT64"}
    assert casts(half) == 2  # behind the input, before the output
    assert [item.type.tensor_type.elem_type for item in (*half.graph.input, *half.graph.output)] == [1, 1]
    expected = open_emulated(exported.graph).run({"image": exported.frames})["logits"]
    found = open_emulated(half).run({"image": exported.frames})["logits"]
    assert np.abs(found - expected).max() < 0.05 * expected.std()
    assert not np.array_equal(found, expected)


def test_tensorrt_runs_every_convolution_of_stanet_in_fp16(exported: Exported) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt-rtx extra")
    found = evidence(to_half(exported.graph).SerializeToString(), compute_capabilities=("8.6",)).layers
    assert found is not None
    assert found.half_convolutions == found.convolutions == 16


def test_int8_and_fp16_in_one_graph(exported: Exported) -> None:
    form = form_named("tensorrt-mixed")
    names = tuple(node.name for node in quantizable_nodes(exported.graph, form) if node.op_type == "Conv")
    plan = with_placement(exported.plan, form.target, names)
    mixed = lower(exported.graph, plan, form)
    int8 = lower(exported.graph, plan, form_named("tensorrt"))
    assert set(constant_types(mixed)) == {"FLOAT16", "INT8", "INT64"}
    assert constant_types(mixed)["INT8"] == constant_types(int8)["INT8"]
    expected = open_emulated(exported.graph).run({"image": exported.frames})["logits"]
    errors = [
        np.abs(open_emulated(model).run({"image": exported.frames})["logits"] - expected).max()
        for model in (int8, mixed)
    ]
    assert errors[1] < 2 * errors[0]  # what INT8 costs, and no other order of magnitude
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt-rtx extra")
    found = evidence(mixed.SerializeToString(), compute_capabilities=("8.6",)).layers
    assert found is not None
    assert found.int8_convolutions == len(names) == 16


def test_a_q_dq_pair_becomes_fp16_by_its_scale_alone() -> None:
    half = to_half(quantized_convolution(np.array(0, np.int8)))
    assert constant_types(half) == {"INT8": 3, "FLOAT16": 2}
    for name in ("Q", "DQ", "weight/DQ"):
        assert type_of_input(half, name, 1) == TensorProto.FLOAT16
    x = frame()
    np.testing.assert_allclose(run(half, x), run(quantized_convolution(np.array(0, np.int8)), x), atol=0.021)


def test_scales_too_small_for_fp16_stay_float32_and_the_convolution_does_not() -> None:
    model = quantized_convolution(np.array(0, np.int8))
    step = next(tensor for tensor in model.graph.initializer if tensor.name == "step")
    step.CopyFrom(onnx.numpy_helper.from_array(np.full(8, 1e-6, np.float32), "step"))
    half = to_half(model)
    assert type_of_input(half, "weight/DQ", 1) == TensorProto.FLOAT
    assert type_of_input(half, "conv", 1) == TensorProto.FLOAT16
    x, peak = frame(), np.abs(run(model, frame())).max()
    assert np.abs(run(half, x) - run(model, x)).max() < 0.02 * peak  # 1e-6 rounded to FP16 alone is off by 5 %
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt-rtx extra")
    layers = evidence(half.SerializeToString(), compute_capabilities=("8.6",)).layers
    assert layers is not None
    assert layers.int8_convolutions == 1


@pytest.mark.parametrize("value", [1e5, 1e-8])
def test_a_node_whose_constant_overflows_or_vanishes_in_fp16_stays_float32(value: float) -> None:
    nodes = [
        helper.make_node("Mul", ["x", "k"], ["m"], name="there"),
        helper.make_node("Div", ["m", "k"], ["y"], name="back"),
    ]
    half = to_half(graph_of(nodes, {"k": np.array(value, np.float32)}))
    assert type_of_input(half, "there", 1) == type_of_input(half, "back", 1) == TensorProto.FLOAT
    np.testing.assert_allclose(run(half, frame()), frame(), rtol=1e-3)


def test_a_constant_shared_by_a_kept_and_a_converted_node_gets_both_types() -> None:
    nodes = [helper.make_node("Mul", ["x", "k"], ["m"], name="a"), helper.make_node("Mul", ["m", "k"], ["y"], name="b")]
    half = to_half(graph_of(nodes, {"k": np.array(3, np.float32)}), keep_float32=["a"])
    assert type_of_input(half, "a", 1) == TensorProto.FLOAT
    assert type_of_input(half, "b", 1) == TensorProto.FLOAT16
    np.testing.assert_allclose(run(half, frame()), 9 * frame(), rtol=2e-3)


def test_activations_that_come_near_the_limit_are_kept_in_float32_from_maker_to_reader() -> None:
    nodes = [
        helper.make_node("Mul", ["x", "up"], ["wide"], name="up"),
        helper.make_node("Abs", ["wide"], ["size"], name="abs"),
        helper.make_node("Mul", ["size", "down"], ["small"], name="down"),
        helper.make_node("Relu", ["small"], ["y"], name="relu"),
    ]
    constants = {"up": np.array(6e4, np.float32), "down": np.array(1 / 1024, np.float32)}
    model = graph_of(nodes, constants)
    ranges = {"x": Range(low=-4, high=4), "wide": Range(low=-2.4e5, high=2e5), "size": Range(low=0, high=2.4e5)}
    keep = overflowing_nodes(model, ranges)
    assert keep == ("up", "abs", "down")
    x = frame()
    assert np.isinf(run(to_half(model), x)).any()
    half = to_half(model, keep_float32=keep)
    np.testing.assert_allclose(run(half, x), run(model, x), rtol=2e-3)
    assert casts(half) == 2  # before relu, and before the output


def test_quantisers_follow_their_kept_neighbours_without_a_cast() -> None:
    pair = [
        helper.make_node("Mul", ["x", "k"], ["m"], name="before"),
        helper.make_node("QuantizeLinear", ["m", "scale", "zero"], ["q"], name="Q"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"], name="DQ"),
        helper.make_node("Mul", ["d", "k"], ["y"], name="after"),
    ]
    constants: dict[str, Array] = {
        "k": np.array(2, np.float32),
        "scale": np.array(0.5, np.float32),
        "zero": np.array(0, np.int8),
    }
    half = to_half(graph_of(pair, constants), keep_float32=["before", "after"])
    assert casts(half) == 0
    assert set(constant_types(half)) == {"FLOAT", "INT8"}


def test_inputs_that_onnx_wants_in_float32_keep_it_beside_fp16_ones() -> None:
    nodes = [
        helper.make_node("Resize", ["x", "", "factors"], ["large"], name="up", mode="nearest"),
        helper.make_node("MaxPool", ["large"], ["y"], name="down", kernel_shape=[2, 2], strides=[2, 2]),
    ]
    half = to_half(graph_of(nodes, {"factors": np.array([1, 1, 2, 2], np.float32)}))
    assert type_of_input(half, "up", 0) == TensorProto.FLOAT16
    assert type_of_input(half, "up", 2) == TensorProto.FLOAT
    np.testing.assert_allclose(run(half, frame()), frame(), rtol=1e-3)


def test_sizes_computed_from_shapes_do_not_overflow() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"], name="shape"),
        helper.make_node("Cast", ["shape"], ["sizes"], name="sizes", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["sizes", "thousand"], ["large"], name="large"),
        helper.make_node("ReduceProd", ["large"], ["count"], name="count", keepdims=0),
        helper.make_node("Log", ["count"], ["log"], name="log"),
        helper.make_node("Mul", ["x", "log"], ["y"], name="scale"),
    ]
    half = to_half(graph_of(nodes, {"thousand": np.array(1000, np.float32)}))
    np.testing.assert_allclose(run(half, frame()), frame() * np.log(1e12 * 8 * 36), rtol=2e-3)
    assert type_of_input(half, "scale", 0) == TensorProto.FLOAT16


def test_a_mask_cast_to_numbers_inside_becomes_fp16_and_counts_stay_exact() -> None:
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["bright"], name="bright"),
        helper.make_node("Cast", ["bright"], ["mask"], name="mask", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x", "mask"], ["y"], name="masked"),
    ]
    half = to_half(graph_of(nodes, {"zero": np.array(0, np.float32)}))
    assert casts(half) == 3
    np.testing.assert_allclose(run(half, frame()), np.maximum(frame(), 0), rtol=1e-3)
    counted = [
        helper.make_node("Cast", ["x"], ["whole"], name="whole", to=TensorProto.INT64),
        helper.make_node("Cast", ["whole"], ["y"], name="float", to=TensorProto.FLOAT),
    ]
    x = np.full((1, 8, 6, 6), 2049.0, np.float32)  # FP16 counts in steps of 2 from 2048 on
    kept = to_half(graph_of(counted, {}), keep_float32=["whole"])
    np.testing.assert_array_equal(run(kept, x), x)


def test_constant_nodes_are_converted_like_initialisers() -> None:
    value = onnx.numpy_helper.from_array(np.array(2, np.float32))
    nodes = [helper.make_node("Constant", [], ["k"], value=value), helper.make_node("Mul", ["x", "k"], ["y"], name="m")]
    half = to_half(graph_of(nodes, {}))
    assert constant_types(half) == {"FLOAT16": 1}
    np.testing.assert_allclose(run(half, frame()), 2 * frame(), rtol=1e-3)


def test_an_operator_of_another_domain_stays_float32() -> None:
    nodes = [
        helper.make_node("Gelu", ["x"], ["g"], name="foreign", domain="com.microsoft"),
        helper.make_node("Relu", ["g"], ["y"], name="relu"),
    ]
    model = graph_of(nodes, {})
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.value_info.append(helper.make_tensor_value_info("g", TensorProto.FLOAT, ["batch", 8, 6, 6]))
    half = to_half(model)
    np.testing.assert_allclose(run(half, frame()), run(model, frame()), rtol=2e-3)


def test_the_graph_it_is_given_stays_as_it_was(exported: Exported) -> None:
    before = exported.graph.SerializeToString()
    to_half(exported.graph)
    assert exported.graph.SerializeToString() == before


def test_what_cannot_be_written_in_fp16_is_refused() -> None:
    relu = [helper.make_node("Relu", ["x"], ["y"], name="relu")]
    with pytest.raises(ModelFileError, match="has opset 17, FP16 needs 19"):
        to_half(graph_of(relu, {}, opset=17))
    with pytest.raises(ModelFileError, match="'tanh': is not in the graph"):
        to_half(graph_of(relu, {}), keep_float32=["tanh"])
    branch = helper.make_graph([], "branch", [], [])
    inner = [helper.make_node("If", ["x"], ["y"], name="if", then_branch=branch, else_branch=branch)]
    with pytest.raises(ModelFileError, match="If 'if': holds a subgraph"):
        to_half(graph_of(inner, {}))


def test_what_fp16_holds() -> None:
    assert holds(np.array([65504.0, -1.0, 0.0]))
    assert not holds(np.array([65505.0]))
    assert holds(np.array([np.inf, 1.0]))
    assert holds(np.array([1.0, 1e-9]))  # next to 1 it is nothing
    assert not holds(np.array([1.0, 1e-9]), each=True)
    assert not holds(np.array([1e-9]))
    assert holds(np.zeros(3), each=True)
