"""A bare .onnx file as executables: on ONNX Runtime, or on the backends that were named."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edgeneuro.benchmarks.compare.interface import Interface
from edgeneuro.benchmarks.compare.opened import Choice, Open, OpenFile
from edgeneuro.benchmarks.compare.records import Executable
from edgeneuro.errors import BackendError, ModelFileError
from edgeneuro.files import sha256
from edgeneuro.manifest import Precision
from edgeneuro.runtime.backends import Backend, library_version, open_backend, unavailable
from edgeneuro.runtime.choose import DEFAULT_BACKEND

if TYPE_CHECKING:
    import onnx


def open_onnx(path: Path, label: str, choice: Choice, stack: ExitStack) -> OpenFile:
    """The file as it is, nothing folded or converted. `stack` closes what is opened.

    Raises ModelFileError: unreadable, or refused by every backend that was to run it.
    """
    from edgeneuro.export.load import load_onnx

    precision, model = _precision(load_onnx(path)), path.read_bytes()
    backends: list[Backend] = []
    opened: list[Open] = []
    missing: dict[str, str] = {}
    for name in choice.backends or (DEFAULT_BACKEND,):
        full = f"{label}: {precision} {name}"
        if unavailable(name):
            missing[full] = unavailable(name)
            continue
        try:
            backend = open_backend(name, model, threads=choice.threads)
        except BackendError as error:
            missing[full] = str(error).partition("; ")[0]  # without the advice, which is for engines
            continue
        stack.callback(backend.close)
        backends.append(backend)
        record = Executable(
            name=full,
            kind="onnx",
            file=label,
            graph=None,
            backend=name,
            version=library_version(name) or "unknown",
            precision=precision,
            sha256=sha256(model),
        )
        opened.append(Open(record=record, run=backend.run))
    if not opened:
        reasons = "; ".join(f"{name}: {why}" for name, why in missing.items())
        raise ModelFileError(f"{path}: cannot be run here ({reasons}); name another --backend")
    interface = Interface(label=label, inputs=backends[0].inputs, outputs=backends[0].outputs, meaning=None)
    return OpenFile(interface=interface, opened=tuple(opened), missing=missing)


def _precision(model: onnx.ModelProto) -> Precision:
    """By its operators and weights, as manifests call it."""
    from onnx import TensorProto

    kinds = {tensor.data_type for tensor in model.graph.initializer}
    half = TensorProto.FLOAT16 in kinds or TensorProto.BFLOAT16 in kinds
    if any(
        "QuantizeLinear" in node.op_type or "QLinear" in node.op_type or "Integer" in node.op_type
        for node in model.graph.node
    ):
        if kinds & {TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E5M2}:
            return "fp8"
        return "mixed" if half else "int8"
    return "fp16" if half else "fp32"
