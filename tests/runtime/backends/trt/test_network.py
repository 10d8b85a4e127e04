"""What the parsers take, and that a refusal lists every node with what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.trt.library import WARNING, Library, messages, open_library
from edgeneuro.runtime.backends.trt.network import check_uint8, parse
from tests.fakes.use import TensorRt, fake_gpu
from tests.tiny_graphs import quantized_convolution


@pytest.fixture(params=("10.3.0", "10.16.1", "11.4.0", "rtx", "real rtx"))
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Library:
    """Each version as a fake, and TensorRT-RTX itself, which parses without a GPU."""
    if request.param == "real rtx":
        pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt-rtx extra")
        return open_library("tensorrt-rtx")
    if request.param == "rtx":
        fake_gpu(monkeypatch, rtx="1.7.1")
        return open_library("tensorrt-rtx")
    version: TensorRt = request.param
    fake_gpu(monkeypatch, tensorrt=version)
    return open_library("tensorrt")


def parsed(library: Library, model: onnx.ModelProto | bytes) -> tuple[Any, tuple[str, ...]]:
    """The network and the warnings."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    with library.log.listening() as heard:
        builder = library.module.Builder(library.log)
        network = parse(content, builder, library, heard).network
    return network, messages(heard, WARNING)


def refusal(library: Library, model: onnx.ModelProto | bytes) -> str:
    with pytest.raises(BackendError) as caught:
        parsed(library, model)
    return str(caught.value)


def asymmetric_and_unsupported() -> onnx.ModelProto:
    """An invalid node first, behind it two operators that TensorRT lacks."""
    model = quantized_convolution(np.array(3, np.int8))
    model.graph.node[3].output[0] = "c"
    model.graph.node.append(helper.make_node("Det", ["c"], ["det"], name="determinant"))
    model.graph.node.append(helper.make_node("Unique", ["det"], ["u"], name="each once"))
    model.graph.node.append(helper.make_node("Relu", ["c"], ["y"], name="last"))
    return model


def test_a_graph_is_parsed_strongly_typed_with_every_flag_that_exists(library: Library) -> None:
    network, warnings = parsed(library, quantized_convolution(np.array(0, np.int8)))
    kinds = library.members("NetworkDefinitionCreationFlag")
    for name in ("EXPLICIT_BATCH", "STRONGLY_TYPED"):
        assert name not in kinds or network.get_flag(kinds[name])
    assert warnings == ()


def test_every_refused_node_is_listed_also_behind_an_invalid_one(library: Library) -> None:
    said = refusal(library, asymmetric_and_unsupported())
    assert said.startswith(f"{library.name}: refuses the graph: QuantizeLinear 'Q' (")
    assert "Non-zero zero point" in said
    assert "Det 'determinant' (unsupported operator)" in said
    assert "Unique 'each once' (unsupported operator)" in said
    assert "'last'" not in said


def test_each_kind_of_refusal_has_its_remedy_once(library: Library) -> None:
    said = refusal(library, asymmetric_and_unsupported())
    assert "QuantizeLinear: quantise symmetrically: run `edgeneuro lint --target tensorrt --fix`" in said
    assert "Det, Unique: write it with operators that are supported, or run the model with another backend" in said
    assert said.count("another backend") == 1


def test_an_int32_bias_is_refused_with_its_type_and_the_lint_that_mends_it(library: Library) -> None:
    model = quantized_convolution(np.array(0, np.int8))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(8, np.int32), "bias steps"))
    bias = helper.make_node("DequantizeLinear", ["bias steps", "step"], ["bias"], name="bias/DQ", axis=0)
    model.graph.node.insert(0, bias)
    model.graph.node[4].input.append("bias")
    said = refusal(library, model)
    assert "DequantizeLinear 'bias/DQ'" in said
    assert "has type Int32" in said
    assert "keep the bias in float: run `edgeneuro lint --target tensorrt --fix`" in said


@pytest.mark.parametrize("data", [b"", b"\x00" * 64])
def test_bytes_that_are_no_graph_are_refused(library: Library, data: bytes) -> None:
    assert "refuses the graph" in refusal(library, data)


def test_uint8_parses_with_a_warning_that_is_an_error_here(library: Library) -> None:
    model = quantized_convolution(np.array(0, np.uint8))
    _, warnings = parsed(library, model)
    with pytest.raises(BackendError, match=r"reads as INT8.*edgeneuro lint --target tensorrt --fix"):
        check_uint8(model.SerializeToString(), warnings, library)


def test_a_missing_zero_point_is_uint8_too_though_the_library_does_not_warn(library: Library) -> None:
    model = quantized_convolution(None)
    with pytest.raises(BackendError, match="reads as INT8"):
        check_uint8(model.SerializeToString(), (), library)


def test_int8_is_no_uint8(library: Library) -> None:
    model = quantized_convolution(np.array(0, np.int8))
    _, warnings = parsed(library, model)
    check_uint8(model.SerializeToString(), warnings, library)
