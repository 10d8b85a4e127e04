"""Layers timed by the backends' own profilers, on graphs whose layers are known."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeneuro.benchmarks.compute.names import Names
from edgeneuro.benchmarks.compute.profile import onnxruntime_runs, profile_layers
from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends import unavailable
from edgeneuro.spec import Feed
from tests.tiny_graphs import graph_of

CHANNELS = 16
needs_openvino = pytest.mark.skipif(bool(unavailable("openvino")), reason="needs the openvino extra")
BACKENDS = ["onnxruntime", pytest.param("openvino", marks=needs_openvino)]


def network(*, quantised: bool) -> bytes:
    """x (batch, 8, 6, 6) -> convolution "first", 16 channels -> ReLU -> convolution "second" -> Softmax -> y.

    quantised: Q/DQ around the first one only.
    """
    rng = np.random.default_rng(0)
    constants: dict[str, Any] = {
        "w1": rng.standard_normal((CHANNELS, 8, 3, 3)).astype(np.float32),
        "w2": rng.standard_normal((8, CHANNELS, 1, 1)).astype(np.float32),
    }
    source, weight, tail = "x", "w1", []
    head: list[onnx.NodeProto] = []
    if quantised:
        constants |= {"s": np.array(0.05, np.float32), "z": np.array(0, np.uint8)}
        constants |= {"w1": rng.integers(-127, 128, (CHANNELS, 8, 3, 3)).astype(np.int8)}
        constants |= {"ws": np.full(CHANNELS, 0.01, np.float32), "wz": np.zeros(CHANNELS, np.int8)}
        head = [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"], name="x/Q"),
            helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"], name="x/DQ"),
            helper.make_node("DequantizeLinear", ["w1", "ws", "wz"], ["w1d"], name="w1/DQ", axis=0),
        ]
        tail = [
            helper.make_node("QuantizeLinear", ["r", "s", "z"], ["rq"], name="r/Q"),
            helper.make_node("DequantizeLinear", ["rq", "s", "z"], ["rd"], name="r/DQ"),
        ]
        source, weight = "xd", "w1d"
    nodes = [
        *head,
        helper.make_node("Conv", [source, weight], ["c"], name="first", pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        *tail,
        helper.make_node("Conv", ["rd" if quantised else "r", "w2"], ["d"], name="second"),
        helper.make_node("Softmax", ["d"], ["y"], name="softmax", axis=1),
    ]
    return bytes(graph_of(nodes, constants).SerializeToString())


def feeds() -> list[Feed]:
    return [{"x": frame[None]} for frame in np.random.default_rng(1).random((2, 8, 6, 6), np.float32)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_layers_come_in_order_under_the_names_of_the_graph_with_what_they_took(backend: str) -> None:
    layers = profile_layers(network(quantised=False), backend, feeds(), threads=1)
    known = [layer for layer in layers if layer.name in ("first", "relu", "second", "softmax")]
    assert [layer.name for layer in known] == ["first", "second", "softmax"]  # the ReLU runs within the first
    assert {layer.precision for layer in known} == {"fp32"}
    assert all(0 <= layer.ms < 1e3 for layer in layers)
    assert all(layer.macs is layer.bytes is layer.floor_ms is None for layer in layers)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_precision_of_each_layer_is_what_the_backend_ran_it_in(backend: str) -> None:
    layers = {layer.name: layer for layer in profile_layers(network(quantised=True), backend, feeds(), threads=1)}
    assert layers["first"].precision == "int8"
    assert layers["second"].precision == "fp32"


def test_a_backend_without_a_profiler_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(BackendError, match=r"'tensorrt': has no profiler here, expected one of onnxruntime, openvino"):
        profile_layers(network(quantised=False), "tensorrt", feeds(), threads=1)


def test_a_graph_that_is_refused_says_so() -> None:
    with pytest.raises(BackendError, match="not ONNX"):
        profile_layers(b"\xff" * 40, "onnxruntime", feeds(), threads=1)


def test_measuring_layers_and_peaks_loads_nothing_beyond_the_base_install() -> None:
    modules = ", ".join(f"edgeneuro.benchmarks.compute.{name}" for name in ("profile", "peaks", "roofline"))
    heavy = "{'torch', 'onnx', 'nncf', 'scipy', 'openvino'} & set(sys.modules)"
    code = f"import sys, {modules}; sys.exit(str({heavy}) if {heavy} else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def kernel(name: str, start: int, took: int, operator: str = "Conv") -> dict[str, Any]:
    arguments = {"op_name": operator, "input_type_shape": [{"float": [1, 8, 6, 6]}]}
    return {"name": f"{name}_kernel_time", "cat": "Node", "ts": start, "dur": took, "args": arguments}


def test_kernels_belong_to_the_run_they_fall_into_and_those_inside_another_are_part_of_it() -> None:
    events = [
        kernel("first", 101, 20),
        kernel("loop", 121, 50, "Loop"),
        kernel("inside", 130, 10),  # of the body of the loop
        kernel("inside", 150, 10),
        kernel("second", 171, 5),
        {"name": "model_run", "cat": "Session", "ts": 100, "dur": 80, "args": {}},
        kernel("first", 205, 30),
        {"name": "model_run", "cat": "Session", "ts": 200, "dur": 40, "args": {}},
        {"name": "session_initialization", "cat": "Session", "ts": 0, "dur": 90, "args": {}},
    ]
    runs = onnxruntime_runs(events, Names(network(quantised=False)))
    assert [[(layer.name, layer.ms) for layer in run] for run in runs] == [
        [("first", 0.02), ("loop", 0.05), ("second", 0.005)],
        [("first", 0.03)],
    ]
