"""Emulation computes what ONNX says to the bit; UINT8 read as INT8 costs the upper half of every range."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeneuro.errors import BackendError, ModelFileError
from edgeneuro.export.emulate import open_emulated, saturating_uint8
from edgeneuro.export.fp16 import to_half
from edgeneuro.spec import Array
from tests.tiny_graphs import graph_of, positive_frame, quantized_convolution


def run(model: onnx.ModelProto, frame: Array) -> Array:
    return open_emulated(model).run({"x": frame})["y"]


@pytest.mark.parametrize(("kind", "low", "high"), [(np.uint8, 0, 255), (np.int8, -128, 127)])
def test_emulation_rounds_and_clips_as_onnx_says_to_the_bit(kind: type, low: int, high: int) -> None:
    scale = np.float32(0.02)
    pair = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], name="Q"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], name="DQ"),
    ]
    model = graph_of(pair, {"scale": np.array(scale), "zero": np.array(0, kind)})
    x = np.random.default_rng(0).normal(0, 4, (1, 8, 6, 6)).astype(np.float32)
    expected = np.clip(np.rint(x / scale), low, high).astype(np.float32) * scale
    np.testing.assert_array_equal(run(model, x), expected)


def test_emulation_takes_bytes_as_well_and_refuses_as_a_backend_does() -> None:
    model = quantized_convolution(np.array(0, np.int8))
    x = positive_frame()
    np.testing.assert_array_equal(open_emulated(model.SerializeToString()).run({"x": x})["y"], run(model, x))
    with pytest.raises(BackendError, match="refuses the graph"):
        open_emulated(b"garbage")


def constant_zero_point() -> onnx.ModelProto:
    model = quantized_convolution(np.array(0, np.uint8))
    zero = next(tensor for tensor in model.graph.initializer if tensor.name == "zero")
    model.graph.initializer.remove(zero)
    model.graph.node.insert(0, helper.make_node("Constant", [], ["zero"], value=zero))
    return model


@pytest.mark.parametrize(
    "model",
    [quantized_convolution(np.array(0, np.uint8)), quantized_convolution(None), constant_zero_point()],
    ids=["zero point", "none", "constant node"],
)
def test_uint8_read_as_int8_clips_what_lies_above_127_steps_and_nothing_else(model: onnx.ModelProto) -> None:
    x = positive_frame()
    faithful, cut = run(model, x), run(saturating_uint8(model), x)
    assert faithful.max() == pytest.approx(255 * 0.02, rel=1e-5)
    np.testing.assert_allclose(cut, np.minimum(faithful, 127 * 0.02), rtol=1e-5)
    assert np.mean(cut < faithful - 0.01) == pytest.approx(0.5, abs=0.01)  # the upper half, 128 to 255


def test_the_graph_it_is_given_stays_as_it_was() -> None:
    model = quantized_convolution(np.array(0, np.uint8))
    before = model.SerializeToString()
    saturating_uint8(model)
    assert model.SerializeToString() == before


def test_a_signed_graph_is_not_changed() -> None:
    model, x = quantized_convolution(np.array(0, np.int8)), positive_frame()
    np.testing.assert_array_equal(run(saturating_uint8(model), x), run(model, x))


def test_what_tensorrt_refuses_cannot_be_read_its_way() -> None:
    with pytest.raises(ModelFileError, match="'Q': has a UINT8 zero point other than 0"):
        saturating_uint8(quantized_convolution(np.array(128, np.uint8)))
    weights = graph_of(
        [
            helper.make_node("DequantizeLinear", ["steps", "scale", "zero"], ["w"], name="w/DQ"),
            helper.make_node("Conv", ["x", "w"], ["y"], name="conv"),
        ],
        {"steps": np.ones((8, 8, 1, 1), np.uint8), "scale": np.array(0.1, np.float32), "zero": np.array(0, np.uint8)},
    )
    with pytest.raises(ModelFileError, match="or a UINT8 constant"):
        saturating_uint8(weights)


def test_fp16_is_rounded_and_overflows_between_operators_that_have_no_fp16_kernel_here() -> None:
    nodes = [
        helper.make_node("Mul", ["x", "many"], ["wide"], name="up"),
        helper.make_node("Div", ["wide", "many"], ["y"], name="down"),
    ]
    half = to_half(graph_of(nodes, {"many": np.array(6e4, np.float32)}))
    x = np.full((1, 8, 6, 6), 1.0, np.float32)
    np.testing.assert_array_equal(run(half, x), x)
    assert np.isinf(run(half, 2 * x)).all()
