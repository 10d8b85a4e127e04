"""NNCF gives statistics and nothing else: no telemetry, no Q/DQ graph."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from edgeneuro.export.graph import convolutions, initializers
from edgeneuro.export.nncf_ranges import nncf_ranges
from edgeneuro.spec import Feed
from tests.export.conftest import Exported

BLOCKED = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        print("NETWORK", event, arguments, flush=True)
        raise ConnectionRefusedError(event)

sys.addaudithook(refuse)
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from edgeneuro.export.nncf_ranges import nncf_ranges

weight = np.random.default_rng(0).standard_normal((8, 1, 3, 3)).astype(np.float32)
graph = helper.make_graph(
    [helper.make_node("Conv", ["x", "w"], ["c"], name="conv"), helper.make_node("Relu", ["c"], ["y"], name="relu")],
    "net",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 16, 16])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8, 14, 14])],
    [numpy_helper.from_array(weight, "w")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
ranges, _ = nncf_ranges(model, [{"x": np.ones((1, 1, 16, 16), np.float32)}] * 3)
print("RANGES", sorted(ranges), flush=True)
"""


def feeds(exported: Exported) -> list[Feed]:
    return [{"image": frame[None]} for frame in exported.frames]


def test_quantising_opens_no_connection_and_prints_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "NETWORK" not in done.stdout
    assert done.stdout.startswith("RANGES ['x'")


def test_biases_are_corrected_by_little_and_only_where_that_is_asked_for(exported: Exported) -> None:
    _, biases = nncf_ranges(exported.graph, feeds(exported))
    constants = initializers(exported.graph.graph)
    before = {node.name: constants[node.input[2]] for node in convolutions(exported.graph.graph)}
    assert biases and set(biases) <= set(before)
    shifts = {name: float(np.abs(np.array(bias) - before[name]).max()) for name, bias in biases.items()}
    assert all(0.0 < shift < 0.2 for shift in shifts.values()), shifts  # of features with a deviation of about 1
    _, none = nncf_ranges(exported.graph, feeds(exported), correct_bias=False)
    assert none == {}


def test_ranges_do_not_depend_on_the_order_of_frames(exported: Exported) -> None:
    forward, _ = nncf_ranges(exported.graph, feeds(exported))
    backward, _ = nncf_ranges(exported.graph, feeds(exported)[::-1])
    for tensor, limits in forward.items():
        assert np.allclose([limits.low, limits.high], [backward[tensor].low, backward[tensor].high], rtol=1e-5), tensor
