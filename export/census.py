"""What a runtime really runs: read from its own optimised graph, never from the file it was given."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import onnx
import onnxruntime

from edgeneuro.runtime.backends import open_backend
from edgeneuro.runtime.backends.ort import UNWANTED
from edgeneuro.runtime.backends.trt.execute import GpuBackend

_OPENVINO_CONVOLUTIONS = ("Convolution", "GroupConvolution")


def optimized_node_types(model: bytes) -> Counter[str]:
    """Operator type -> count in the graph ONNX Runtime executes on this CPU after all its optimisations."""
    with tempfile.TemporaryDirectory(prefix="edgeneuro-") as folder:
        path = Path(folder) / "optimized.onnx"
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 3  # the warning that such a file fits only this machine is what we want it for
        onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(UNWANTED)
        )
        return Counter(node.op_type for node in onnx.load(str(path)).graph.node)


def int8_convolutions(model: bytes) -> int:
    """How many convolutions ONNX Runtime runs in INT8."""
    return optimized_node_types(model)["QLinearConv"]


def openvino_int8_convolutions(model: bytes) -> int:
    """How many convolutions OpenVINO runs in INT8 on this CPU.

    Raises BackendError: openvino is not installed, or refuses the graph.
    """
    return sum(
        count
        for (kind, precision), count in openvino_layers(model).items()
        if kind in _OPENVINO_CONVOLUTIONS and precision in ("i8", "u8")
    )


def tensorrt_int8_convolutions(model: bytes) -> int:
    """How many convolutions the engine that TensorRT builds of `model` on this machine's GPU reads in INT8.

    Raises BackendError: no GPU, library missing, graph refused.
    """
    with closing(open_backend("tensorrt", model, threads=None)) as backend:
        report = cast(GpuBackend, backend).report
    return 0 if report is None or report.layers is None else report.layers.int8_convolutions


def openvino_layers(model: bytes) -> Counter[tuple[str, str]]:
    """(layer type, precision of its input, e.g. "u8" or "f32") -> count in the graph OpenVINO executes."""
    with closing(open_backend("openvino", model, threads=1)) as backend:
        nodes = cast(Any, backend).compiled.get_runtime_model().get_ops()
        return Counter((_info(node, "layerType"), _info(node, "runtimePrecision")) for node in nodes)


def _info(node: Any, key: str) -> str:
    return str(node.rt_info[key].astype(str))
