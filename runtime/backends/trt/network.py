"""From ONNX bytes to a network of the library, or to the list of all nodes that it refuses.

Networks are strongly typed: every tensor has the type that the graph says. Precision is nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.trt.library import ERROR, INTERNAL_ERROR, Library, Said, messages
from edgeneuro.runtime.backends.trt.records import RefusedNode
from edgeneuro.runtime.onnx_wire import standard_nodes

UINT8_AS_INT8 = "Defaulting to INT8 instead"
"""Part of the parser's warning about UINT8 Q/DQ."""

_UNSUPPORTED = "unsupported operator"
_LINT = "run `edgeneuro lint --target tensorrt --fix`"
_REMEDIES = (
    ("non-zero zero point", f"quantise symmetrically: {_LINT}"),
    ("must have type fp8", f"keep the bias in float: {_LINT}"),
    ("uint8", f"quantise to INT8: {_LINT}"),
    (_UNSUPPORTED, "write it with operators that are supported, or run the model with another backend"),
    ("plugin", "write it with operators that are supported, or run the model with another backend"),
)
"""What the reason says, in lower case -> what to do."""
_OTHERWISE = "run `edgeneuro lint --target tensorrt`, or run the model with another backend"


@dataclass(frozen=True)
class Parsed:
    """network: an INetworkDefinition. parser: it owns the weights, so it must live as long."""

    network: Any
    parser: Any


def parse(model: bytes, builder: Any, library: Library, heard: Sequence[Said]) -> Parsed:
    """heard: what the library says meanwhile. Raises BackendError naming every node that is refused, and what to do."""
    network = builder.create_network(_flags(library))
    parser = library.module.OnnxParser(network, library.log)
    if parser.parse(model) and network.num_outputs > 0:
        return Parsed(network, parser)
    refused = _refused_nodes(parser, model)
    if not refused:
        reasons = messages(heard, ERROR, INTERNAL_ERROR) or ("it has no outputs",)
        raise BackendError(f"{library.name}: refuses the graph: {'; '.join(reasons)}; {_OTHERWISE}")
    raise BackendError(f"{library.name}: refuses the graph: {listed(refused)}")


def check_uint8(model: bytes, warnings: Sequence[str], library: Library) -> None:
    """Raise BackendError for UINT8 quantisation: it builds, is then read as INT8, and cuts off half of every range."""
    if any(UINT8_AS_INT8 in warning for warning in (*warnings, *silent_uint8(model))):
        raise BackendError(
            f"{library.name}: the graph has UINT8 QuantizeLinear nodes, which it reads as INT8, so that values above half "
            f"of each range are cut off; lower the plan for TensorRT, or {_LINT}"
        )


def silent_uint8(model: bytes) -> tuple[str, ...]:
    """What the parser should warn of and does not: without a zero point, ONNX quantises to UINT8, TensorRT to INT8."""
    return tuple(
        f"QuantizeLinear {node.name!r} has no zero point: UINT8 by ONNX. {UINT8_AS_INT8}"
        for node in standard_nodes(model)
        if node.operator == "QuantizeLinear" and len(node.inputs) < 3 and "output_dtype" not in node.attributes
    )


def listed(refused: Sequence[RefusedNode]) -> str:
    """Every node with its reason, then every remedy once, with the operators it is for."""
    nodes = "; ".join(f"{node.operator} {node.name!r} ({node.reason})" for node in refused)
    operators: dict[str, list[str]] = {}
    for node in refused:
        names = operators.setdefault(node.remedy, [])
        if node.operator not in names:
            names.append(node.operator)
    what_to_do = "; ".join(f"{', '.join(names)}: {remedy}" for remedy, names in operators.items())
    return f"{nodes}. What to do: {what_to_do}"


def _flags(library: Library) -> int:
    """Strong typing must exist; explicit batches are asked for where a version still knows of others."""
    kinds = library.members("NetworkDefinitionCreationFlag")
    if "STRONGLY_TYPED" not in kinds:
        raise BackendError(f"{library.name}: has no strongly typed networks; install TensorRT 10 or newer")
    wanted = [kinds[name] for name in ("EXPLICIT_BATCH", "STRONGLY_TYPED") if name in kinds]
    return sum(1 << int(kind) for kind in wanted)


def _refused_nodes(parser: Any, model: bytes) -> tuple[RefusedNode, ...]:
    """What the parser says, and the unsupported operators behind the invalid node at which it stops."""
    errors = (parser.get_error(index) for index in range(parser.num_errors))
    said = [_refused(error.node_name(), error.node_operator(), _reason(error)) for error in errors]
    names = {node.name for node in said}
    unreached = [
        _refused(node.name, node.operator, _UNSUPPORTED)
        for node in standard_nodes(model)
        if node.name not in names and not parser.supports_operator(node.operator)
    ]
    return tuple(node for node in (*said, *unreached) if node.operator)


def _refused(name: str, operator: str, reason: str) -> RefusedNode:
    found = (remedy for part, remedy in _REMEDIES if part in reason.lower())
    return RefusedNode(name=name, operator=operator, reason=reason, remedy=next(found, _OTHERWISE))


def _reason(error: Any) -> str:
    """The line that says why. An unsupported operator comes with "false", a broken type with the node's name first."""
    lines = [line.strip() for line in error.desc().splitlines()]
    return next(
        (line for line in lines if line not in ("", "false") and not line.startswith("Invalid Node")), _UNSUPPORTED
    )
