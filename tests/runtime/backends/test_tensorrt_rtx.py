"""TensorRT-RTX without a GPU: what it accepts, what it refuses and why, what its plan runs in INT8."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.tensorrt_rtx import build_evidence
from tests.tiny_graphs import graph_of, quantized_convolution

pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt-rtx extra")

ONE = ("8.6",)


def evidence_refused(model: onnx.ModelProto) -> str:
    with pytest.raises(BackendError) as caught:
        build_evidence(model.SerializeToString(), compute_capabilities=ONE)
    return str(caught.value)


def test_each_convolution_is_counted_by_the_type_it_reads() -> None:
    model = quantized_convolution(np.array(0, np.int8))
    model.graph.node[3].output[0] = "c"
    weight = np.ones((8, 8, 1, 1), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "float weight"))
    model.graph.node.append(helper.make_node("Conv", ["c", "float weight"], ["y"], name="second"))
    found = build_evidence(model.SerializeToString(), compute_capabilities=ONE)
    assert (found.convolutions, found.int8_convolutions, found.half_convolutions) == (2, 1, 0)
    assert found.warnings == ()
    assert found.engine_bytes > 0


def test_nodes_without_names_are_counted_alike() -> None:
    model = quantized_convolution(np.array(0, np.int8))
    for node in model.graph.node:
        node.name = ""
    found = build_evidence(model.SerializeToString(), compute_capabilities=ONE)
    assert (found.convolutions, found.int8_convolutions) == (1, 1)


def test_uint8_with_zero_point_zero_builds_with_a_warning_which_is_an_error_here() -> None:
    model = quantized_convolution(np.array(0, np.uint8))
    assert "which it reads as INT8" in evidence_refused(model)
    found = build_evidence(model.SerializeToString(), compute_capabilities=ONE, uint8_is_error=False)
    assert any("Defaulting to INT8" in warning for warning in found.warnings)


def test_a_missing_zero_point_is_uint8_too_though_the_library_does_not_warn() -> None:
    assert "which it reads as INT8" in evidence_refused(quantized_convolution(None))


def test_a_zero_point_other_than_zero_is_refused_by_node() -> None:
    reason = evidence_refused(quantized_convolution(np.array(3, np.int8)))
    assert "QuantizeLinear 'Q'" in reason
    assert "Non-zero zero point" in reason


def test_an_int32_bias_is_refused_with_its_type() -> None:
    model = quantized_convolution(np.array(0, np.int8))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(8, np.int32), "bias steps"))
    bias = helper.make_node("DequantizeLinear", ["bias steps", "step"], ["bias"], name="bias/DQ", axis=0)
    model.graph.node.insert(0, bias)
    model.graph.node[4].input.append("bias")
    reason = evidence_refused(model)
    assert "DequantizeLinear 'bias/DQ'" in reason
    assert "has type Int32" in reason


def test_every_unsupported_operator_is_named_also_behind_an_invalid_node() -> None:
    model = quantized_convolution(np.array(3, np.int8))
    model.graph.node[3].output[0] = "c"
    model.graph.node.append(helper.make_node("Det", ["c"], ["det"], name="determinant"))
    model.graph.node.append(helper.make_node("Unique", ["det"], ["u"], name="each once"))
    model.graph.node.append(helper.make_node("Relu", ["c"], ["y"], name="last"))
    reason = evidence_refused(model)
    assert "Non-zero zero point" in reason
    assert "Det 'determinant' (unsupported operator)" in reason
    assert "Unique 'each once' (unsupported operator)" in reason


def test_a_matrix_product_in_float32_fails_on_turing_and_says_so() -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "w"], ["gates"], name="gemm"),
        helper.make_node("Unsqueeze", ["gates", "axes"], ["wide"], name="wide"),
        helper.make_node("Mul", ["x", "wide"], ["y"], name="scale"),
    ]
    weights = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    model = graph_of(nodes, {"w": weights, "axes": np.array([2, 3])}).SerializeToString()
    assert build_evidence(model).convolutions == 0
    with pytest.raises(BackendError, match="FP32 GEMM is not supported"):
        build_evidence(model, compute_capabilities=("7.5",))


def test_an_unknown_compute_capability_names_those_there_are() -> None:
    model = quantized_convolution(np.array(0, np.int8)).SerializeToString()
    with pytest.raises(BackendError, match=r"compute capability 9.0: is not known.*8.6, 8.9, 12.0"):
        build_evidence(model, compute_capabilities=("9.0",))


@pytest.mark.parametrize("data", [b"", b"\x00" * 64, b"garbage"])
def test_bytes_that_are_no_graph_are_refused(data: bytes) -> None:
    with pytest.raises(BackendError, match="refuses the graph"):
        build_evidence(data)


def test_a_missing_library_names_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BackendError, match=r"run: pip install 'edgeneuro\[tensorrt-rtx\]'"):
        build_evidence(b"")
