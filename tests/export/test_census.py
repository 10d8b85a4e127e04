"""What is counted is what the runtime runs, not what the file says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edgeneuro.export.census import (
    int8_convolutions,
    openvino_int8_convolutions,
    openvino_layers,
    tensorrt_int8_convolutions,
)
from tests.fakes.use import fake_gpu
from tests.tiny_graphs import quantized_convolution


def with_a_float_convolution(kind: type[np.int8 | np.uint8] = np.uint8) -> onnx.ModelProto:
    """One convolution between Q/DQ, and one behind it that reads float. kind: of the activations."""
    model = quantized_convolution(np.array(0, kind))
    model.graph.node[3].output[0] = "c"
    weight = np.random.default_rng(0).standard_normal((8, 8, 3, 3)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weight, "float weight"))
    second = helper.make_node("Conv", ["c", "float weight"], ["y"], name="second", pads=[1, 1, 1, 1])
    model.graph.node.append(second)
    return model


def test_openvino_counts_the_convolution_that_runs_in_int8_and_not_the_float_one() -> None:
    pytest.importorskip("openvino", reason="needs the openvino extra")
    model = with_a_float_convolution().SerializeToString()
    assert openvino_int8_convolutions(model) == 1
    assert sum(count for (kind, _), count in openvino_layers(model).items() if kind == "Convolution") == 2


def test_openvino_counts_none_in_a_float_graph() -> None:
    pytest.importorskip("openvino", reason="needs the openvino extra")
    model = with_a_float_convolution()
    model.graph.node[4].input[0] = "x"
    assert openvino_int8_convolutions(model.SerializeToString()) == 0


def test_onnxruntime_runs_a_convolution_without_q_dq_on_its_output_in_float() -> None:
    model = quantized_convolution(np.array(0, np.uint8))
    assert int8_convolutions(model.SerializeToString()) == 0
    model.graph.node[3].output[0] = "c"
    for operator, source, target in (("QuantizeLinear", "c", "cq"), ("DequantizeLinear", "cq", "y")):
        model.graph.node.append(helper.make_node(operator, [source, "scale", "zero"], [target], name=operator))
    assert int8_convolutions(model.SerializeToString()) == 1


def test_tensorrt_counts_by_the_engine_that_is_kept_after_the_first_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path))
    fake_gpu(monkeypatch, tensorrt="10.3.0")
    model = with_a_float_convolution(np.int8).SerializeToString()
    assert tensorrt_int8_convolutions(model) == 1
    caplog.clear()
    assert tensorrt_int8_convolutions(model) == 1
    assert "building the engine" not in caplog.text
