"""OpenVINO on a processor without VNNI, which oneDNN is told to be one: sums of two products saturate at 16 bits."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edgeneuro.export.forms import form_named
from edgeneuro.export.lint.check import lint
from edgeneuro.runtime.cpu import cpu_features
from edgeneuro.spec import Array
from tests.tiny_graphs import SHAPE, graph_of

RUN = """
import sys
import numpy as np
from edgeneuro.runtime.backends import open_backend
backend = open_backend("openvino", open(sys.argv[1], "rb").read(), threads=1)
image = np.ones((1, *map(int, sys.argv[2:])), np.float32)
print(float(backend.run({"x": image})["y"][0, 0, 3, 3]))
"""


def quantised(weight: int) -> onnx.ModelProto:
    """A 3 x 3 convolution whose weights are all `weight` steps of 1 / `weight`, of an image that is 1 everywhere."""
    channels = SHAPE[1]
    constants: dict[str, Array] = {
        "s": np.array(1 / 255, np.float32),
        "z": np.array(0, np.uint8),
        "w": np.full((channels, channels, 3, 3), weight, np.int8),
        "ws": np.full(channels, 1 / weight, np.float32),
        "wz": np.zeros(channels, np.int8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["f"], axis=0),
        helper.make_node("Conv", ["d", "f"], ["y"], name="conv", pads=[1] * 4),
    ]
    return graph_of(nodes, constants)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="is about instructions of x86")
@pytest.mark.parametrize("isa", ["AVX2", "AVX512_CORE"])
def test_openvino_computes_what_7_bit_weights_say_without_vnni_and_something_else_with_8(
    isa: str, tmp_path: Path
) -> None:
    pytest.importorskip("openvino", reason="needs the openvino extra")
    if isa == "AVX512_CORE" and "avx512" not in cpu_features():
        pytest.skip("this processor has no AVX-512")
    found = {}
    for weight in (127, form_named("openvino-reduced").weight_limit):
        path = tmp_path / f"{weight}.onnx"
        onnx.save(quantised(weight), path)
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(path), *map(str, SHAPE[1:])],
            env={**os.environ, "ONEDNN_MAX_CPU_ISA": isa},
            capture_output=True,
            text=True,
            check=True,
        )
        found[weight] = float(done.stdout)
    exact = 9.0 * SHAPE[1]
    assert found[63] == pytest.approx(exact, rel=1e-5)
    assert found[127] < 0.6 * exact  # two products of 255 x 127 add up to 64770, and are held at 32767


def test_lint_warns_of_8_bit_weights_for_openvino_without_vnni_alone() -> None:
    assert [found.rule for found in lint(quantised(127), ("openvino-reduced",))] == ["weight-saturation"]
    assert lint(quantised(127), ("openvino",)) == ()
    assert lint(quantised(63), ("openvino-reduced",)) == ()
