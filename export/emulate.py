"""Graphs run to the letter: what a runtime that is not here would compute from the same file.

With its optimisations off, ONNX Runtime runs QuantizeLinear and DequantizeLinear as ONNX defines them and everything
between them in float: the arithmetic every faithful INT8 runtime approximates. FP16 operators without a kernel for
processors run in float32, and their results are rounded to FP16, one by one. It is slow, and it is no device: what it
gives is reported as emulation.
"""

from __future__ import annotations

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper, numpy_helper

from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs
from edgeneuro.runtime.backends import Backend
from edgeneuro.runtime.backends.ort import OrtBackend
from edgeneuro.spec import Array


def open_emulated(model: bytes | onnx.ModelProto) -> Backend:
    """The graph behind the shape of a backend, each node run as the file says it, on one thread. Raises BackendError."""
    data = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
    return OrtBackend(_with_fp16_rounded(data), threads=1, optimise=False)


def saturating_uint8(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose UINT8 Q/DQ is INT8 at the same scale, as TensorRT reads it: what was 128 to 255 is clipped at 127.

    For showing what TensorRT's warning means ("Defaulting to INT8 instead"). A missing zero point is UINT8 too, by
    ONNX; TensorRT takes it for INT8 without a warning. Raises ModelFileError where TensorRT refuses the graph: a zero
    point that is not 0, or UINT8 constants.
    """
    copied: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    constants = _constants(copied.graph)
    signed = [node for node in copied.graph.node if _is_uint8(node, constants)]
    for node in signed:
        zero_point = constants[node.input[2]] if len(node.input) > 2 else np.zeros((), np.uint8)
        if np.any(zero_point) or node.input[0] in constants:
            raise ModelFileError(
                f"{node.op_type} {node.name!r}: has a UINT8 zero point other than 0, or a UINT8 constant, which TensorRT "
                "refuses; expected zero point 0 on a calculated tensor"
            )
        del node.input[2:]
        node.input.append(graphs.add_constant(copied.graph, f"{node.name}/int8", zero_point.astype(np.int8)))
    del copied.graph.value_info[:]
    return copied


def _with_fp16_rounded(data: bytes) -> bytes:
    """Two Identity nodes behind every node of a graph with FP16, so that its result really passes through that type.

    Without, ONNX Runtime stays in float32 from one operator without an FP16 kernel to the next, over a lone Identity and
    over Casts too, and nothing ever overflows.
    """
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        return data  # for the backend to refuse
    graph = model.graph
    if not any(_speaks_fp16(node) for node in graph.node):
        return data
    for node in list(graph.node):
        for position, name in enumerate(node.output):
            if name:
                node.output[position] = f"{name}/computed"
                graph.node.append(helper.make_node("Identity", [f"{name}/computed"], [f"{name}/rounded"]))
                graph.node.append(helper.make_node("Identity", [f"{name}/rounded"], [name]))
    graphs.sort_nodes(graph)
    return bytes(model.SerializeToString())


def _speaks_fp16(node: onnx.NodeProto) -> bool:
    return node.op_type == "Cast" and graphs.attribute(node, "to") == onnx.TensorProto.FLOAT16


def _constants(graph: onnx.GraphProto) -> dict[str, Array]:
    nodes = [(node.output[0], graphs.attribute(node, "value")) for node in graph.node if node.op_type == "Constant"]
    held = {name: numpy_helper.to_array(value) for name, value in nodes if isinstance(value, onnx.TensorProto)}
    return graphs.initializers(graph) | held


def _is_uint8(node: onnx.NodeProto, constants: dict[str, Array]) -> bool:
    if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
        return False
    if len(node.input) > 2:
        return node.input[2] in constants and constants[node.input[2]].dtype == np.uint8
    return node.op_type == "QuantizeLinear" and graphs.attribute(node, "output_dtype", 0) == 0
