"""The keep-float list: layers that have to stay in float, why, and which network that was found for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edgeneuro.errors import InputError
from edgeneuro.files import canonical_json
from edgeneuro.records import from_json, to_json

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class GraphIdentity:
    """What a network is, whatever tool wrote its file. name: for people. nodes: how many. layers: SHA-256 over inputs,
    outputs and nodes with their names and attributes. weights: SHA-256 over the constants."""

    name: str
    nodes: int
    layers: str
    weights: str

    @classmethod
    def of(cls, model: onnx.ModelProto, name: str) -> GraphIdentity:
        """Of a float graph, weights inside. Remarks that a tool left in the file do not count."""
        return cls(
            name=name,
            nodes=len(model.graph.node),
            layers=_layers_digest(model.graph),
            weights=_weights_digest(model.graph),
        )


@dataclass(frozen=True, kw_only=True)
class KeepFloat:
    """nodes: layer -> why it stays in float, by names of `model`. form: how the layers were quantised when that was
    found. A build keeps them in float on every target."""

    schema: int = SCHEMA
    model: GraphIdentity
    form: str
    nodes: Mapping[str, str]

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(to_json(self))

    def reasons(self, model: onnx.ModelProto, name: str, where: str) -> Mapping[str, str]:
        """`nodes`, once they are known to belong to the float graph `model`.

        name: of that model; where: the list's file, both for messages. Raises InputError naming what differs, or the
        node that there is not and the one that was meant.
        """
        here = GraphIdentity.of(model, name)
        if self.model.layers != here.layers or self.model.weights != here.weights:
            raise InputError(
                f"{where}: belongs to {self.model.name}, and {name} is another network: {_difference(self.model, here)}; "
                f"run `edgeneuro sensitivity` on {name}"
            )
        known = [node.name for node in model.graph.node]
        for node in self.nodes:
            if node not in known:
                close = get_close_matches(node, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else "take names from `edgeneuro sensitivity`"
                raise InputError(f"{where}: keeps node {node!r} in float, which {name} does not have; {hint}")
        return self.nodes


def read_keep_float(path: Path) -> KeepFloat:
    """Raises InputError when `path` cannot be read or is no keep-float list this version knows."""
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected a keep-float list as `edgeneuro sensitivity --out` writes"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}); write it with `edgeneuro sensitivity --out`") from error
    schema = value.get("schema") if isinstance(value, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise InputError(f"{path}: has schema {schema}, this edgeneuro reads up to {SCHEMA}; upgrade edgeneuro")
    try:
        return from_json(KeepFloat, value, str(path))
    except InputError as error:
        raise InputError(f"{error}; write it with `edgeneuro sensitivity --out`") from error


def _difference(there: GraphIdentity, here: GraphIdentity) -> str:
    if there.nodes != here.nodes:
        return f"{there.nodes} nodes there, {here.nodes} here"
    if there.layers != here.layers:
        return "as many nodes, but other names, operators or sizes"
    return "the same layers with other weights, as after training again"


def _layers_digest(graph: onnx.GraphProto) -> str:
    digest = sha256()
    for item in (*graph.input, *graph.output):
        digest.update(_plain(item))
    for node in graph.node:
        digest.update(_plain(node))
    return digest.hexdigest()


def _plain(item: onnx.NodeProto | onnx.ValueInfoProto) -> bytes:
    """`item` without remarks, in one byte form."""
    copied = type(item).FromString(item.SerializeToString())
    copied.ClearField("doc_string")
    copied.ClearField("metadata_props")
    data: bytes = copied.SerializeToString(deterministic=True)
    return len(data).to_bytes(8, "little") + data


def _weights_digest(graph: onnx.GraphProto) -> str:
    digest = sha256()
    for tensor in sorted(graph.initializer, key=lambda tensor: str(tensor.name)):
        values = numpy_helper.to_array(tensor)
        digest.update(f"{tensor.name}\0{values.dtype}\0{values.shape}\0".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
