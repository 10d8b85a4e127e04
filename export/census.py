"""What ONNX Runtime really runs: node types of its own optimised graph."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import onnx
import onnxruntime


def optimized_node_types(model: bytes) -> Counter[str]:
    """Operator type -> count in the graph ONNX Runtime executes on this CPU after all its optimisations."""
    with tempfile.TemporaryDirectory(prefix="edgeneuro-") as folder:
        path = Path(folder) / "optimized.onnx"
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 3  # the warning that such a file fits only this machine is what we want it for
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return Counter(node.op_type for node in onnx.load(str(path)).graph.node)


def int8_convolutions(model: bytes) -> int:
    """How many convolutions run in INT8."""
    return optimized_node_types(model)["QLinearConv"]
