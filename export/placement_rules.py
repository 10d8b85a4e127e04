"""Placement by rule, for targets this machine cannot measure: what the vendor has INT8 kernels for."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from edgeneuro.export import graph as graphs
from edgeneuro.export.candidates import candidate_placements
from edgeneuro.export.forms import Form
from edgeneuro.export.quantizable import fused_input, quantizable_nodes
from edgeneuro.spec import Array

TENSORRT_SIDE = 16
"""Channels, or rows and columns of a product, from which TensorRT's INT8 kernels are meant to gain."""


def placement_by_rule(model: onnx.ModelProto, form: Form) -> tuple[tuple[str, ...], dict[str, str]]:
    """Nodes in INT8 on `form`, and why each other layer with weights is not: node -> reason.

    TensorRT: what NVIDIA's own quantiser places. Others: every layer but a fully connected head, additions, joins
    and poolings.
    """
    candidates = candidate_placements(model, form)
    if not candidates:
        return (), {}
    widest = next(iter(candidates.values())) if form.backend == "tensorrt" else _with_joins(candidates)
    constants = graphs.initializers(model.graph)
    reasons: dict[str, str] = {}
    for node in quantizable_nodes(model, form):
        why = lacks_kernel(node, constants, form)
        if why is not None:
            reasons[node.name] = why
    placed = {name for name in widest if name not in reasons}
    if form.skip_only:
        placed |= _fused_additions(model, form, placed)
    return tuple(node.name for node in model.graph.node if node.name in placed), reasons


def _with_joins(candidates: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    name = "every layer, additions, joins and poolings in INT8"
    return candidates.get(name, next(iter(candidates.values())))


def _fused_additions(model: onnx.ModelProto, form: Form, placed: set[str]) -> set[str]:
    """Additions next to a convolution that runs in INT8: they go into its kernel."""
    makers = graphs.producers(model.graph)
    found = set()
    for node in quantizable_nodes(model, form):
        if node.op_type == "Add":
            straight = fused_input(node, makers)
            if straight is not None and makers[straight].name in placed:
                found.add(node.name)
    return found


def lacks_kernel(node: onnx.NodeProto, constants: Mapping[str, Array], form: Form) -> str | None:
    """Why `node` gains nothing from INT8 on TensorRT; None where it does, and on every other target.

    After the exclusions of ModelOpt's ONNX quantiser (graph_utils.py): narrow convolutions, grouped ones unless
    channels are a multiple of 8 and the kernel at least 3 x 3, products with a side below 16.
    """
    if form.backend != "tensorrt" or len(node.input) < 2 or node.input[1] not in constants:
        return None
    weights = constants[node.input[1]]
    if node.op_type in ("Gemm", "MatMul"):
        return None if min(weights.shape) >= TENSORRT_SIDE else f"product with {min(weights.shape)} rows or columns"
    group = int(graphs.attribute(node, "group", 1))  # type: ignore[call-overload]
    rows, columns = weights.shape[:2]
    inner, out = (columns * group, rows) if node.op_type == "Conv" else (rows, columns * group)
    kernel = weights.shape[2:]
    if group > 1:
        fits = out % 8 == 0 and min(kernel) >= 3
        return None if fits else f"grouped convolution of {out} channels with kernel {_by(kernel)}"
    if min(inner, out) >= TENSORRT_SIDE:
        return None
    aligned = (inner % 8 == 0 or out % 8 == 0) and max(inner, out) >= TENSORRT_SIDE and len(set(kernel)) == 1
    return None if aligned else f"convolution from {inner} to {out} channels"


def _by(kernel: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in kernel)
