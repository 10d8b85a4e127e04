"""OpenVINO's own file format as one run of bytes, so that a graph can be handed to a child process."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeneuro.telemetry import silence_telemetry

_LENGTH = 8
"""Bytes of the number in front, which says where the XML ends and the weights begin."""

Shapes = Mapping[str, Sequence[int]]
"""Input name -> shape to fix it to; empty leaves the graph's own, with free axes."""


def pack_ir(model: Any) -> bytes:
    """openvino.Model as length, XML, weights; nothing is compressed."""
    silence_telemetry()
    import openvino

    with tempfile.TemporaryDirectory(prefix="edgeneuro-") as folder:
        xml, weights = Path(folder) / "graph.xml", Path(folder) / "graph.bin"
        openvino.serialize(model, str(xml), str(weights))
        text = xml.read_bytes()
        return len(text).to_bytes(_LENGTH, "little") + text + weights.read_bytes()


def compile_ir(ir: bytes, shapes: Shapes, settings: Mapping[str, Any]) -> Any:
    """openvino.CompiledModel for the processor. May crash the process: only for what a child has compiled before."""
    silence_telemetry()
    import openvino

    end = _LENGTH + int.from_bytes(ir[:_LENGTH], "little")
    core = openvino.Core()
    model = core.read_model(ir[_LENGTH:end], ir[end:])
    if shapes:
        model.reshape({name: list(shape) for name, shape in shapes.items()})
    return core.compile_model(model, "CPU", dict(settings))
