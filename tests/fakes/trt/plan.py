"""The fake engine as bytes: a header of 64 bytes, settings as JSON, the ONNX graph."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

MAGIC = b"FAKEPLAN"
HEADER = struct.Struct("<8s16s16s8s16s")  # magic, flavour, version, length of the settings, nonce
HEADER_BYTES = HEADER.size


@dataclass(frozen=True)
class TensorInfo:
    """An input or output. shape: -1 where free. symbols: name of each free size, "" where it has none."""

    name: str
    is_input: bool
    dtype: str
    shape: tuple[int, ...]
    symbols: tuple[str, ...]


@dataclass(frozen=True)
class LayerInfo:
    """A layer of the engine. reads, writes: (tensor, dimensions, data type such as "Int8")."""

    name: str
    kind: str
    reads: tuple[tuple[str, tuple[int, ...], str], ...]
    writes: tuple[tuple[str, tuple[int, ...], str], ...]
    metadata: str
    on_dla: bool = False


@dataclass(frozen=True)
class Plan:
    """profiles: input -> [min, opt, max] shapes. flags: of the builder, by name. gpu: name and compute capability of where
    it was built, empty without one. capabilities: TensorRT-RTX's targets, e.g. "SM86"."""

    flavour: str
    version: str
    model: bytes
    tensors: tuple[TensorInfo, ...]
    layers: tuple[LayerInfo, ...]
    profiles: tuple[dict[str, list[list[int]]], ...]
    flags: tuple[str, ...] = ()
    gpu: tuple[str, str] = ("", "")
    capabilities: tuple[str, ...] = ()
    hardware: str = "NONE"
    verbosity: str = "LAYER_NAMES_ONLY"
    settings: dict[str, Any] = field(default_factory=dict)

    def tensor(self, name: str) -> TensorInfo | None:
        return next((tensor for tensor in self.tensors if tensor.name == name), None)


def pack(plan: Plan) -> bytes:
    """Two packings of one plan differ, as two builds of the real library do."""
    fields = {key: value for key, value in vars(plan).items() if key != "model"}
    fields["tensors"] = [vars(tensor) for tensor in plan.tensors]
    fields["layers"] = [vars(layer) for layer in plan.layers]
    settings = json.dumps(fields).encode()
    header = HEADER.pack(
        MAGIC, plan.flavour.encode(), plan.version.encode(), str(len(settings)).encode(), os.urandom(16)
    )
    return header + settings + plan.model


def read_header(content: bytes) -> tuple[str, str, int] | None:
    """Flavour, version and length of the settings; None where this is no fake engine."""
    if len(content) < HEADER_BYTES:
        return None
    magic, *texts, _ = HEADER.unpack(content[:HEADER_BYTES])
    if magic != MAGIC:
        return None
    flavour, version, length = (text.rstrip(b"\0").decode("ascii", "replace") for text in texts)
    return (flavour, version, int(length)) if length.isdigit() else None


def unpack(content: bytes) -> Plan | None:
    """None where the bytes are no fake engine, or a damaged one."""
    header = read_header(content)
    if header is None:
        return None
    end = HEADER_BYTES + header[2]
    try:
        fields = json.loads(content[HEADER_BYTES:end])
        tensors = [
            TensorInfo(**{**t, "shape": tuple(t["shape"]), "symbols": tuple(t["symbols"])})
            for t in fields.pop("tensors")
        ]
        layers = [
            LayerInfo(**{**layer, "reads": _ports(layer["reads"]), "writes": _ports(layer["writes"])})
            for layer in fields.pop("layers")
        ]
        lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
        return Plan(**{**fields, **lists}, tensors=tuple(tensors), layers=tuple(layers), model=content[end:])
    except (ValueError, TypeError, KeyError):
        return None


def _ports(listed: list[list[Any]]) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    return tuple((name, tuple(shape), kind) for name, shape, kind in listed)
