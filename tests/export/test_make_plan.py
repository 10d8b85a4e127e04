"""Plans by every method: all ranges that targets need, biases that undo what rounding the weights takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.calibration.ranges import Range, quantize_weights, weight_scales
from edgeneuro.errors import DataError, InputError, UsageError
from edgeneuro.export.bias import corrected_biases
from edgeneuro.export.graph import convolutions, initializers
from edgeneuro.export.make_plan import DEFAULT_METHOD, METHOD_NAMES, calibrated_plan, calibrated_plans
from edgeneuro.export.observe import observe, with_outputs
from edgeneuro.export.plan import Plan
from edgeneuro.export.quantizable import tensors_needing_ranges
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Array, Feed
from tests.export.conftest import Exported

Network = tuple[onnx.ModelProto, list[Feed]]


def feeds_of(exported: Exported) -> list[Feed]:
    return [{"image": frame[None]} for frame in exported.frames]


def one_layer(operator: str, weights: Array, shape: list[int], *, bias: Array | None = None, **options: Any) -> Network:
    """A single layer and positive inputs, eight frames."""
    rng = np.random.default_rng(0)
    constants = [numpy_helper.from_array(weights, "w")]
    constants += [numpy_helper.from_array(bias, "b")] if bias is not None else []
    node = helper.make_node(operator, ["x", *(item.name for item in constants)], ["y"], name="layer", **options)
    graph = helper.make_graph(
        [node],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    channel_means = rng.uniform(0.5, 4, (shape[0], *[1] * (len(shape) - 1)))
    return model, [{"x": (channel_means + rng.random((1, *shape))).astype(np.float32)} for _ in range(8)]


def mean_output(model: onnx.ModelProto, feeds: list[Feed]) -> Array:
    """(output channel,) over frames and positions."""
    backend = open_backend("onnxruntime", model.SerializeToString(), threads=1)
    outputs = np.concatenate([backend.run(feed)["y"] for feed in feeds]).astype(np.float64)
    means: Array = outputs.reshape(*outputs.shape[:2], -1).mean(axis=(0, 2))
    return means


def with_weights(model: onnx.ModelProto, weights: Array, bias: Array) -> onnx.ModelProto:
    changed: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    del changed.graph.initializer[:], changed.graph.node[0].input[1:]
    changed.graph.node[0].input.extend(["w", "b"])
    changed.graph.initializer.extend([numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")])
    return changed


def rounded(weights: Array, axis: int) -> Array:
    first = np.moveaxis(weights, axis, 0)
    scales = weight_scales(first, 127)
    steps = quantize_weights(first, scales, 127) * scales.reshape(-1, *[1] * (first.ndim - 1))
    return np.moveaxis(steps, 0, axis).astype(np.float32)


def normal(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


LAYERS = {
    "convolution": (one_layer("Conv", normal(6, 4, 3, 3), [4, 12, 12]), 0),
    "with bias": (one_layer("Conv", normal(6, 4, 3, 3), [4, 12, 12], bias=normal(6)), 0),
    "depthwise": (one_layer("Conv", normal(8, 1, 3, 3), [8, 12, 12], group=8), 0),
    "two groups": (one_layer("Conv", normal(6, 2, 3, 3), [4, 12, 12], group=2), 0),
    "fully connected": (one_layer("Gemm", normal(5, 16), [16], bias=normal(5), transB=1), 0),
    "fully connected, other way round": (one_layer("Gemm", normal(16, 5), [16]), 1),
    "transposed, kernel as stride": (one_layer("ConvTranspose", normal(4, 6, 2, 2), [4, 5, 5], strides=[2, 2]), 1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_corrected_bias_gives_the_mean_output_of_the_float_layer(name: str) -> None:
    (model, feeds), axis = LAYERS[name]
    constants = initializers(model.graph)
    expected = mean_output(model, feeds)
    plain = constants.get("b", np.zeros(len(expected), np.float32))
    corrected = np.array(corrected_biases(model, feeds)["layer"], np.float32)
    weights = rounded(constants["w"], axis)
    before, after = (
        float(np.abs(mean_output(with_weights(model, weights, bias), feeds) - expected).max())
        for bias in (plain, corrected)
    )
    assert before > 1e-3
    assert after < before / 20  # what is left: float32, and frames whose borders differ from their middle


def test_every_layer_with_a_bias_of_a_real_network_is_corrected_by_little(exported: Exported) -> None:
    biases = corrected_biases(exported.graph, feeds_of(exported))
    constants = initializers(exported.graph.graph)
    for node in convolutions(exported.graph.graph):
        shift = np.abs(np.array(biases[node.name]) - constants[node.input[2]]).max()
        assert 0.0 < shift < 0.2, node.name  # of features with a deviation of about 1


def test_biases_do_not_depend_on_the_order_of_frames(exported: Exported) -> None:
    feeds = feeds_of(exported)
    assert corrected_biases(exported.graph, feeds) == corrected_biases(exported.graph, feeds[::-1])


def test_a_product_without_bias_and_weights_that_are_calculated_are_left_alone() -> None:
    model, feeds = one_layer("MatMul", normal(16, 5), [16])
    assert corrected_biases(model, feeds) == {}
    model, feeds = one_layer("Conv", normal(6, 4, 3, 3), [4, 12, 12])
    model.graph.node.insert(0, helper.make_node("Identity", ["w"], ["w2"], name="same"))
    model.graph.node[1].input[1] = "w2"
    assert corrected_biases(model, feeds) == {}


@pytest.fixture(scope="module")
def plans(exported: Exported) -> dict[str, Plan]:
    """By every method."""
    return calibrated_plans(exported.graph, feeds_of(exported), METHOD_NAMES)


def test_every_method_has_a_range_for_every_tensor_a_target_may_quantise(
    exported: Exported, plans: dict[str, Plan]
) -> None:
    assert tuple(plans) == METHOD_NAMES
    for plan in plans.values():
        assert set(plan.ranges) == set(tensors_needing_ranges(exported.graph))
        assert plan.biases and plan.placement == {}
        assert all(limits.low <= limits.high for limits in plan.ranges.values())


def test_methods_differ(plans: dict[str, Plan]) -> None:
    assert len({plan.method for plan in plans.values()}) == len(plans)
    assert len({tuple(plan.ranges.items()) for plan in plans.values()}) >= len(plans) - 1  # few values: 99.999 % is all


def test_the_order_of_frames_does_not_matter(exported: Exported, plans: dict[str, Plan]) -> None:
    assert calibrated_plan(exported.graph, feeds_of(exported)[::-1]) == plans[DEFAULT_METHOD]


def test_own_mean_min_max_is_that_of_nncf(plans: dict[str, Plan]) -> None:
    own, theirs = (plans[name].ranges["image"] for name in ("mean-min-max", "nncf"))
    step = (own.high - own.low) / 255  # NNCF moves the ends by at most a step so that 0 is exact
    assert own.low == pytest.approx(theirs.low, abs=step)
    assert own.high == pytest.approx(theirs.high, abs=step)


def test_min_max_of_the_input_is_that_of_the_frames(exported: Exported, plans: dict[str, Plan]) -> None:
    assert plans["min-max"].ranges["image"] == Range(float(exported.frames.min()), float(exported.frames.max()))


def test_a_network_of_two_inputs_is_observed(exported: Exported) -> None:
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["sum"], name="add")],
        "two",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in ("a", "b")],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    feeds: list[Feed] = [{"a": np.array([[0, 1, 2]], np.float32), "b": np.array([[5, 5, 9]], np.float32)}]
    seen = observe(model, ["a", "b", "sum"], feeds)
    assert {name: (found.low, found.high) for name, found in seen.items()} == {
        "a": (0.0, 2.0),
        "b": (5.0, 9.0),
        "sum": (5.0, 11.0),
    }


def test_observing_leaves_the_network_as_it_was(exported: Exported) -> None:
    before = exported.graph.SerializeToString()
    observed = with_outputs(exported.graph, ["image"])
    assert [item.name for item in observed.graph.output] == ["image"]
    assert exported.graph.SerializeToString() == before


def test_bad_input_is_refused(exported: Exported) -> None:
    with pytest.raises(UsageError, match="method 'best': is not known, expected one of min-max, mean-min-max"):
        calibrated_plan(exported.graph, feeds_of(exported), method="best")
    with pytest.raises(DataError, match="got no frames"):
        calibrated_plan(exported.graph, [])
    broken: list[Feed] = [{"image": np.full_like(exported.frames[:1], np.nan)}]
    with pytest.raises(InputError, match="tensor 'image': holds NaN or infinity"):
        calibrated_plan(exported.graph, broken)
