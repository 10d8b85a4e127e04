"""Somebody's quantised .onnx file, in one form whatever tool wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, inliner, numpy_helper

from edgeneuro.errors import ModelFileError

OPERATOR_FORMAT = (
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
    "DynamicQuantizeLinear",
    "FakeQuantize",
)
"""Quantised otherwise than by Q/DQ pairs; ONNX Runtime's own are recognised by their QLinear... and QGemm names."""

NUMBERS = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
"""Attributes of Constant that hold plain numbers, and their type as a tensor."""


def read_quantized(path: Path) -> onnx.ModelProto:
    """The graph in `path` for `lint`: weights inside, functions inlined, constants as initializers, nodes named.

    Raises ModelFileError: unreadable, weights in a file that is missing, quantised by other means than Q/DQ pairs,
    Q/DQ inside a branch or loop.
    """
    try:
        model: onnx.ModelProto = onnx.load(str(path))
        onnx.checker.check_model(model)
    except FileNotFoundError as error:
        raise ModelFileError(
            f"{path}: cannot be read, {error.filename or error} is missing; "
            "weights kept in a file of their own must lie beside it"
        ) from error
    except (OSError, ValueError, onnx.checker.ValidationError, DecodeError) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelFileError(
            f"{path}: is not a readable ONNX file ({first_line}); export it again, with the weights inside or beside it"
        ) from error
    _refuse_other_formats(model.graph, path, inside=None)
    return plain(model)


def is_quantized(model: onnx.ModelProto) -> bool:
    """Whether anything in the graph is quantised."""
    return any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph.node)


def plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with functions inlined, constants as initializers and nodes named apart."""
    copied = inliner.inline_local_functions(model) if model.functions else onnx.ModelProto()
    if not model.functions:
        copied.CopyFrom(model)
    _lift_constants(copied.graph)
    _name_nodes(copied.graph)
    return copied


def _refuse_other_formats(graph: onnx.GraphProto, path: Path, inside: str | None) -> None:
    for node in graph.node:
        kind = node.op_type
        if kind in OPERATOR_FORMAT or kind.startswith("QLinear") or kind == "QGemm":
            raise ModelFileError(
                f"{path}: is quantised with {kind} operators, expected QuantizeLinear and DequantizeLinear around float "
                "operators; quantise the float model with quant_format=QuantFormat.QDQ, or export it as Q/DQ"
            )
        if inside is not None and kind in ("QuantizeLinear", "DequantizeLinear"):
            raise ModelFileError(
                f"{path}: has Q/DQ inside {inside}, expected all of it in the main graph; export it without control flow"
            )
        for item in node.attribute:
            for branch in (item.g, *item.graphs):
                _refuse_other_formats(branch, path, inside=f"{kind} {node.name!r}")


def _lift_constants(graph: onnx.GraphProto) -> None:
    """Constant nodes, and Identity of what is stored, become initializers."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        value = _constant(node, stored)
        if value is None:
            kept.append(node)
            continue
        value.name = node.output[0]
        stored[value.name] = value
        graph.initializer.append(value)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)


def _constant(node: onnx.NodeProto, stored: dict[str, TensorProto]) -> TensorProto | None:
    if node.op_type == "Identity" and node.input[0] in stored:
        return _copied(stored[node.input[0]])
    if node.op_type != "Constant":
        return None
    item = node.attribute[0]
    value = helper.get_attribute_value(item)
    if item.name == "value":
        return _copied(value)
    dtype = NUMBERS.get(item.name)
    return None if dtype is None else numpy_helper.from_array(np.asarray(value, dtype))


def _copied(tensor: TensorProto) -> TensorProto:
    copy = TensorProto()
    copy.CopyFrom(tensor)
    return copy


def _name_nodes(graph: onnx.GraphProto) -> None:
    taken: set[str] = set()
    for position, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{position}"
        taken.add(node.name)
