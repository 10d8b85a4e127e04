"""The rounding that is trained is the rounding that is deployed: ONNX's, to the bit."""

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.calibration.ranges import quantize_weights, weight_scales
from edgeneuro.spec import Array, Float32
from edgeneuro.training.qat_rounding import dequantize, quantize, quantized_bias, quantized_weights

TYPES = {"uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


def by_onnx(x: Float32, scale: np.float32, zero_point: Array) -> tuple[Array, Float32]:
    """Steps and values of a Q/DQ pair in ONNX Runtime, nothing optimised."""
    constants = [numpy_helper.from_array(np.asarray(scale), "s"), numpy_helper.from_array(zero_point, "z")]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "pair",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None])],
        [
            helper.make_tensor_value_info("q", TYPES[str(zero_point.dtype)], [None]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [None]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    steps, values = session.run(["q", "y"], {"x": x})
    return steps, values


def by_torch(x: Float32, scale: np.float32, zero_point: Array) -> tuple[Array, Float32]:
    kind = np.iinfo(zero_point.dtype)
    steps = quantize(torch.from_numpy(x), torch.tensor(scale), int(zero_point), kind.min, kind.max)
    values = dequantize(steps, torch.tensor(scale), int(zero_point))
    return steps.numpy().astype(zero_point.dtype), values.numpy()


def gradient_of(result: torch.Tensor, x: torch.Tensor) -> list[float]:
    """Of the result's sum, flat."""
    (gradient,) = torch.autograd.grad(result.sum(), [x])
    return gradient.flatten().tolist()


def hard_values(scale: np.float32, rng: np.random.Generator) -> Float32:
    """Random values of both signs, ties and their neighbours, and values far outside."""
    ties = (np.arange(-300, 300) + 0.5).astype(np.float32) * scale
    random = rng.standard_normal(4096).astype(np.float32) * scale * 100
    extremes = np.array([0, -0.0, 1e-40, -1e-40, 3.4e38, -3.4e38, np.inf, -np.inf])
    around = [np.nextafter(ties, np.float32(sign)) for sign in (-np.inf, np.inf)]
    return np.concatenate([ties, *around, random, extremes]).astype(np.float32)


@pytest.mark.parametrize(
    "zero_point", [np.uint8(0), np.uint8(117), np.uint8(255), np.int8(0), np.int8(-128), np.int8(9)]
)
@pytest.mark.parametrize("scale", [0.25, 0.1, 1 / 3, 7.3e-4, 1e-30, 3e4])
def test_steps_and_values_are_those_of_onnx_runtime(scale: float, zero_point: Array) -> None:
    x = hard_values(np.float32(scale), np.random.default_rng(3))
    expected, got = (pair(x, np.float32(scale), np.asarray(zero_point)) for pair in (by_onnx, by_torch))
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1].view(np.int32), expected[1].view(np.int32))


@settings(max_examples=60, deadline=None)
@given(
    scale=st.floats(2.0**-60, 2.0**60, width=32),
    zero_point=st.integers(-128, 127),
    x=st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30),
)
def test_any_number_rounds_as_in_onnx_runtime(scale: float, zero_point: int, x: list[float]) -> None:
    ties = [scale * step for step in (-2.5, -0.5, 0.5, 1.5, 126.5)]
    values = np.array([*x, *ties]).astype(np.float32)
    expected = by_onnx(values, np.float32(scale), np.asarray(zero_point, np.int8))
    got = by_torch(values, np.float32(scale), np.asarray(zero_point, np.int8))
    np.testing.assert_array_equal(got[0], expected[0])


def test_halves_go_to_the_even_neighbour() -> None:
    x = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    assert quantize(x, torch.tensor(1.0), 0, -128, 127).tolist() == [-2, -2, 0, 0, 2, 2]


def test_torchs_own_fake_quantisation_would_not_do() -> None:
    scale = np.float32(0.1)
    x = hard_values(scale, np.random.default_rng(3))[:1800]
    theirs = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), float(scale), 117, 0, 255).numpy()
    assert (np.abs(theirs - by_onnx(x, scale, np.asarray(np.uint8(117)))[1]) > scale / 2).any()


def test_the_gradient_passes_within_the_range_and_stops_outside() -> None:
    x = torch.tensor([-9.0, -0.3, 0.0, 1.26, 12.7, 13.0], requires_grad=True)
    scale = torch.tensor(0.1)
    zero_to_25 = dequantize(quantize(x, scale, -128, -128, 127), scale, -128)
    assert gradient_of(3.0 * zero_to_25, x) == pytest.approx([0.0, 0.0, 3.0, 3.0, 3.0, 3.0])
    symmetric = dequantize(quantize(x, scale, 0, -128, 127), scale, 0)  # -12.8 to 12.7
    assert gradient_of(symmetric, x) == pytest.approx([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])


@pytest.mark.parametrize("limit", [127, 63])
@pytest.mark.parametrize("axis", [0, 1])
def test_weights_round_as_the_graph_writer_rounds_them(axis: int, limit: int) -> None:
    weights = np.random.default_rng(0).standard_normal((6, 5, 3, 3)).astype(np.float32)
    weights[2] = 0.0
    first = np.moveaxis(weights, axis, 0)
    scales = weight_scales(first, limit)
    steps = quantize_weights(first, scales, limit).astype(np.float32)
    expected = np.moveaxis(steps * scales.reshape(-1, 1, 1, 1), 0, axis)
    tensor = torch.from_numpy(weights).requires_grad_()
    rounded, got_scales = quantized_weights(tensor, axis, limit)
    np.testing.assert_array_equal(got_scales.numpy(), scales)
    np.testing.assert_array_equal(rounded.detach().numpy(), expected)
    assert gradient_of(rounded, tensor) == pytest.approx(np.ones(weights.size))


def test_a_bias_rounds_to_steps_of_input_scale_times_weight_scale_and_saturates() -> None:
    bias = torch.tensor([0.26, -0.26, 1e9], requires_grad=True)
    rounded = quantized_bias(bias, torch.tensor(0.5), torch.tensor([0.25, 0.25, 1e-3]))
    assert rounded[:2].tolist() == [0.25, -0.25]  # steps of 0.125
    assert rounded[2].item() == pytest.approx((2**31 - 1) * 0.5e-3)
    assert gradient_of(rounded, bias) == pytest.approx([1.0, 1.0, 1.0])
