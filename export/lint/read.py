"""Somebody's quantised .onnx file, in one form whatever tool wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, inliner, numpy_helper
from onnx.reference import ReferenceEvaluator

from edgeneuro.errors import ModelFileError
from edgeneuro.export import graph as graphs
from edgeneuro.export.load import load_onnx
from edgeneuro.spec import Array

OPERATOR_FORMAT = (
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
    "DynamicQuantizeLinear",
    "FakeQuantize",
)
"""Quantised otherwise than by Q/DQ pairs; ONNX Runtime's own are recognised by their QLinear... and QGemm names."""

RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial")


def read_quantized(path: Path) -> onnx.ModelProto:
    """The graph in `path` for `lint`: weights inside, functions inlined, constants folded, nodes named.

    Raises ModelFileError: unreadable, weights in a file that is missing, quantised by other means than Q/DQ pairs,
    Q/DQ inside a branch or loop.
    """
    model = load_onnx(path)
    _refuse_other_formats(model.graph, path, inside=None)
    return plain(model)


def is_quantized(model: onnx.ModelProto) -> bool:
    """Whether anything in the graph is quantised."""
    return any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph.node)


def plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with functions inlined, constants folded and nodes named apart."""
    copied = inliner.inline_local_functions(model) if model.functions else onnx.ModelProto()
    if not model.functions:
        copied.CopyFrom(model)
    _fold_constants(copied.graph, copied.opset_import)
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


def _fold_constants(graph: onnx.GraphProto, opsets: Sequence[onnx.OperatorSetIdProto]) -> None:
    """What follows from stored tensors alone becomes a stored tensor: Constant nodes, casts and scales of weights.

    Q/DQ stay, and so does what ONNX's reference implementation cannot run.
    """
    stored = graphs.initializers(graph)
    outputs = {item.name for item in graph.output}
    kept = []
    for node in graph.node:
        fixed = node.op_type not in ("QuantizeLinear", "DequantizeLinear") and node.op_type not in RANDOM
        fixed = fixed and all(name in stored for name in node.input if name) and not outputs & set(node.output)
        values = _evaluated(node, stored, opsets) if fixed else None
        if values is None:
            kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
            continue
        stored |= values
        graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    del graph.node[:]
    graph.node.extend(kept)


def _evaluated(
    node: onnx.NodeProto, stored: Mapping[str, Array], opsets: Sequence[onnx.OperatorSetIdProto]
) -> dict[str, Array] | None:
    ends = [helper.make_empty_tensor_value_info(name) for name in node.output]
    inputs = [helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(node.input) if name]
    model = helper.make_model(helper.make_graph([node], "constant", inputs, ends), opset_imports=opsets)
    try:
        values = ReferenceEvaluator(model).run(None, {item.name: stored[item.name] for item in inputs})
    except Exception:  # noqa: BLE001  (an operator or a type it does not know, in whatever words: the node stays)
        return None
    return {name: np.asarray(value) for name, value in zip(node.output, values, strict=True)}


def _name_nodes(graph: onnx.GraphProto) -> None:
    taken: set[str] = set()
    for position, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{position}"
        taken.add(node.name)
