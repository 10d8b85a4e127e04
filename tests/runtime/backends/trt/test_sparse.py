"""TensorRT-RTX has the flag for sparse weights and makes nothing of it: why `make_config` refuses it there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

BUILDS = """
import json, hashlib
import numpy as np, onnx
import tensorrt_rtx as trt
from onnx import helper, numpy_helper

weights = np.random.default_rng(0).standard_normal((64, 64, 3, 3)).astype(np.float16)
weights.reshape(64, 16, 4, 3, 3)[:, :, 2:] = 0
half = onnx.TensorProto.FLOAT16
model = helper.make_model(
    helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
        "sparse",
        [helper.make_tensor_value_info("x", half, [1, 64, 16, 16])],
        [helper.make_tensor_value_info("y", half, [1, 64, 16, 16])],
        [numpy_helper.from_array(weights, "w")],
    ),
    opset_imports=[helper.make_opsetid("", 20)],
    ir_version=10,
)


class Logger(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.said = []

    def log(self, severity, message):
        self.said.append(message)


logger = Logger()
digests = []
for sparse in (False, True):
    builder = trt.Builder(logger)
    network = builder.create_network()
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(model.SerializeToString())
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    if sparse:
        config.set_flag(trt.BuilderFlag.SPARSE_WEIGHTS)
        assert config.get_flag(trt.BuilderFlag.SPARSE_WEIGHTS)
    digests.append(hashlib.sha256(bytes(builder.build_serialized_network(network, config))).hexdigest())
print(json.dumps([digests, [line for line in logger.said if "parsity" in line]]))
"""


def test_tensorrt_rtx_builds_the_same_engine_with_and_without_the_flag() -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt-rtx extra")
    done = subprocess.run([sys.executable, "-c", BUILDS], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    digests, said = json.loads(done.stdout.splitlines()[-1])
    assert digests[0] == digests[1]
    assert said == []  # TensorRT would list the layers that it could and did build so
