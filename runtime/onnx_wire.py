"""What must be known of an ONNX graph before a library sees it, read from its protobuf bytes.

A device has no onnx package. Does a graph keep weights in another file? ONNX Runtime given bytes would open such a file beside the working folder, before 1.24 even by absolute path: weights
that no hash of the bundle covers. Wire format: protobuf.dev/programming-guides/encoding; field numbers: onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_FIELDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""Message -> field number -> message inside that may hold tensors."""

_EXTERNAL_DATA = 13  # of TensorProto: where its values lie
_GRAPH = 7  # of ModelProto
_NODE = 1  # of GraphProto
_INPUT, _OUTPUT = 11, 12  # of GraphProto
_VALUE_NAME = 1  # of ValueInfoProto
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 3, 4, 5, 7
_ATTRIBUTE_NAME = 1
_MAX_DEPTH = 100  # protobuf's own limit of nesting


def has_outside_weights(model: bytes) -> bool:
    """Whether any tensor of the graph, its subgraphs and functions is kept outside. Raises ValueError: not protobuf."""
    return _search(memoryview(model), "model", 0)


@dataclass(frozen=True, kw_only=True)
class WireNode:
    """A node as the bytes give it. attributes: their names."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[str, ...]


def standard_nodes(model: bytes) -> list[WireNode]:
    """The graph's own nodes of the standard domain, in order, subgraphs apart."""
    return [
        WireNode(
            name="".join(_texts(node, _NODE_NAME)),
            operator="".join(_texts(node, _NODE_OPERATOR)),
            inputs=tuple(_texts(node, _NODE_INPUT)),
            outputs=tuple(_texts(node, _NODE_OUTPUT)),
            attributes=tuple(name for item in _of(node, _NODE_ATTRIBUTE) for name in _texts(item, _ATTRIBUTE_NAME)),
        )
        for graph in _of(memoryview(model), _GRAPH)
        for node in _of(graph, _NODE)
        if "".join(_texts(node, _NODE_DOMAIN)) in ("", "ai.onnx")
    ]


def interface_names(model: bytes) -> tuple[list[str], list[str]]:
    """Names of the graph's inputs, and of its outputs, in order."""
    found: tuple[list[str], list[str]] = ([], [])
    for graph in _of(memoryview(model), _GRAPH):
        for names, field in zip(found, (_INPUT, _OUTPUT), strict=True):
            names.extend(name for value in _of(graph, field) for name in _texts(value, _VALUE_NAME))
    return found


def _texts(data: memoryview, field: int) -> list[str]:
    return [bytes(content).decode() for content in _of(data, field)]


def _of(data: memoryview, field: int) -> Iterator[memoryview]:
    return (content for number, content in _messages(data) if number == field)


def _search(data: memoryview, kind: str, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        raise ValueError("messages nested too deep")
    for number, content in _messages(data):
        if kind == "tensor":
            if number == _EXTERNAL_DATA:
                return True
        elif number in _FIELDS[kind] and _search(content, _FIELDS[kind][number], depth + 1):
            return True
    return False


def _messages(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(field number, content) of every length-delimited field; numbers in between are passed over."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        match tag & 7:
            case 0:
                _, position = _varint(data, position)
            case 1:
                position += 8
            case 2:
                size, position = _varint(data, position)
                yield tag >> 3, data[position : position + size]
                position += size
            case 5:
                position += 4
            case other:
                raise ValueError(f"wire type {other}")
    if position != len(data):
        raise ValueError("cut short")


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """The number that starts at `position`, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise ValueError("cut short")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number of more than ten bytes")
