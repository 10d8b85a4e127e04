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

    A fully connected layer that ends the network stays in float: its output is what is compared, and it costs little. So
    does the same layer as a convolution in front of the last pooling, where the network gives out what is pooled: class
    activation maps. The pooling reads them as they are given, so that their mean remains the logit on every target.
    """
    nodes = quantizable_nodes(model, form)
    weighted = [node for node in nodes if node.op_type in WEIGHTED]
    head = _head(model, weighted)
    layers = [node for node in weighted if node not in head] or weighted
    stem = [node for node in layers if node.op_type in CONVOLUTIONS][:1]
    depthwise = [node for node in layers if node.op_type == "Conv" and graphs.attribute(node, "group", 1) != 1]
    ends = {node.output[0] for node in head}
    rest = [node for node in nodes if node.op_type not in WEIGHTED and ends.isdisjoint(node.input)]
    joins = [node for node in rest if node.op_type != "Mul"]
    products = [node for node in rest if node.op_type == "Mul"]
    found: dict[tuple[str, ...], str] = {}
    for label, kept_float in (
        ("every layer", []),
        ("all but the stem", stem),
        ("all but depthwise", depthwise),
        ("all but stem and depthwise", [*stem, *depthwise]),
    ):
        chosen = [node for node in layers if node not in kept_float]
        for others, extra in (
            ("the rest in float", []),
            ("additions, joins and poolings in INT8", joins),
            ("additions, joins, poolings and products in INT8", [*joins, *products]),
        ):
            placed = [node.name for node in nodes if node in chosen or node in extra]
            if chosen:
                found.setdefault(tuple(placed), f"{label}, {others}")
    return {name: placed for placed, name in found.items()}


def _head(model: onnx.ModelProto, layers: Nodes) -> list[onnx.NodeProto]:
    """Of `layers` those after which no other follows and that are fully connected, or convolutions to an output of the
    network that is read on."""
    readers = graphs.consumers(model.graph)
    names = {node.name for node in layers}
    pooled = {item.name for item in model.graph.output}.intersection(readers)
    flat = [node for node in layers if node.op_type not in CONVOLUTIONS or node.output[0] in pooled]
    return [node for node in flat if not _reaches(node.output[0], readers, names)]


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
