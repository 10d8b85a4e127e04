"""The graph that is broken on purpose, and the row that is made of a comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgeneuro.benchmarks.compare_tolerance import rows_of, signed_zero_points
from tests.benchmarks.compare.files import write_float, write_int8
from tests.benchmarks.compare.running import run
from tests.tiny_graphs import quantized_convolution


def zero_points(model: onnx.ModelProto) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.int8]]]:
    pairs = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    named = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return {node.name: named[node.input[2]] for node in pairs if len(node.input) > 2}


@pytest.mark.parametrize(("zero", "becomes"), [(0, np.int8), (128, np.uint8)])
def test_only_zero_points_of_zero_are_read_as_int8(zero: int, becomes: type[np.generic]) -> None:
    model = quantized_convolution(np.array(zero, np.uint8))
    before = zero_points(model)
    after = zero_points(onnx.load_from_string(signed_zero_points(model.SerializeToString())))
    assert before.keys() == after.keys() and after
    unsigned = {name for name, value in before.items() if value.dtype == np.uint8}
    assert unsigned
    for name in after:
        assert after[name].dtype == (becomes if name in unsigned else before[name].dtype)
        np.testing.assert_array_equal(after[name], before[name])


def test_a_row_tells_whether_each_limit_would_have_caught_it(tmp_path: Path) -> None:
    done = run(write_float(tmp_path / "float.edge"), write_int8(tmp_path / "int8.edge"))
    rows = {row["executable"]: row for row in rows_of("tiny", done)}
    assert rows
    for one in done.executables:
        row = rows[one.executable.name.partition(": ")[2]]
        assert row["sound"]
        assert row["passes"] == (one.outputs[0].cosine_mean >= 0.99)
        assert row["passes_stricter"] == (one.outputs[0].cosine_mean >= 0.999)
