"""Placements worth measuring, by kind of layer, so that the search is the same for every network."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from edgeneuro.export import graph as graphs
from edgeneuro.export.forms import WEIGHTED, Form
from edgeneuro.export.quantizable import quantizable_nodes

CONVOLUTIONS = ("Conv", "ConvTranspose")
Nodes = Sequence[onnx.NodeProto]


def candidate_placements(model: onnx.ModelProto, form: Form) -> dict[str, tuple[str, ...]]:
    """Name -> nodes in INT8. Duplicates, as in a network without depthwise convolutions, appear once.

    A fully connected layer that ends the network stays in float: its output is what is compared, and it costs little.
    """
    nodes = quantizable_nodes(model, form)
    layers = _without_head(model, [node for node in nodes if node.op_type in WEIGHTED])
    stem = [node for node in layers if node.op_type in CONVOLUTIONS][:1]
    depthwise = [node for node in layers if node.op_type == "Conv" and graphs.attribute(node, "group", 1) != 1]
    joins = [node for node in nodes if node.op_type not in WEIGHTED and node.op_type != "Mul"]
    products = [node for node in nodes if node.op_type == "Mul"]
    found: dict[tuple[str, ...], str] = {}
    for label, kept_float in (
        ("every layer", []),
        ("all but the stem", stem),
        ("all but depthwise", depthwise),
        ("all but stem and depthwise", [*stem, *depthwise]),
    ):
        chosen = [node for node in layers if node not in kept_float]
        for rest, extra in (
            ("the rest in float", []),
            ("additions, joins and poolings in INT8", joins),
            ("additions, joins, poolings and products in INT8", [*joins, *products]),
        ):
            placed = [node.name for node in nodes if node in chosen or node in extra]
            if chosen:
                found.setdefault(tuple(placed), f"{label}, {rest}")
    return {name: placed for placed, name in found.items()}


def _without_head(model: onnx.ModelProto, layers: Nodes) -> list[onnx.NodeProto]:
    """`layers` without the fully connected ones after which no other follows, unless there is nothing else."""
    readers = graphs.consumers(model.graph)
    names = {node.name for node in layers}
    inner = [node for node in layers if node.op_type in CONVOLUTIONS or _reaches(node.output[0], readers, names)]
    return inner or list(layers)


def _reaches(tensor: str, readers: dict[str, list[onnx.NodeProto]], names: set[str]) -> bool:
    """Whether some layer of `names` depends on `tensor`."""
    waiting, seen = [tensor], set()
    while waiting:
        for node in readers.get(waiting.pop(), []):
            if node.name in names:
                return True
            if node.name not in seen:
                seen.add(node.name)
                waiting.extend(node.output)
    return False
