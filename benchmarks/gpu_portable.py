"""What TensorRT-RTX's portable engines do on the GPU at hand, also one that is outside the list they are built for.

    python -m edgeneuro.benchmarks.gpu_portable REPORT.json [CAPABILITY...] < model.onnx

Started by `edgeneuro.benchmarks.gpu`, a process for each engine: nobody has seen yet what loading such an engine does. The
process builds the engine itself from the graph, so that none comes from elsewhere.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeneuro.benchmarks.rivals.material import difference
from edgeneuro.errors import BackendError
from edgeneuro.files import write_json
from edgeneuro.records import from_json, to_json
from edgeneuro.runtime.backends import open_backend
from edgeneuro.runtime.backends.child import run_child
from edgeneuro.runtime.backends.cuda.open import open_cuda
from edgeneuro.runtime.backends.trt.builder import build
from edgeneuro.runtime.backends.trt.lane import Lane
from edgeneuro.runtime.backends.trt.library import ERROR, INTERNAL_ERROR, WARNING, Library, messages, open_library
from edgeneuro.runtime.backends.trt.records import BuildSettings
from edgeneuro.runtime.backends.trt.tensors import read_interface

TARGETS: tuple[tuple[str, ...], ...] = (("8.0",), ("8.6",), ("8.9",), ("12.0",), ("8.0", "8.6", "8.9", "12.0"), ())
"""Compute capabilities to build for; () is the device's own."""
COLUMNS = {
    "target": "built for",
    "built": "built",
    "validity": "get_engine_validity",
    "diagnostics": "diagnostics",
    "loaded": "deserialised",
    "context": "execution context",
    "difference": "off the processor",
    "said": "library's messages",
}
_MODULE = "edgeneuro.benchmarks.gpu_portable"
_TIMEOUT_S = 900.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of one engine, step by step. built: None where the process ended before it could tell. validity, diagnostics: by the
    names of the library's enums, "" where it was not asked. loaded, context: None where it did not come to that.
    difference: largest of any output of one frame from ONNX Runtime's, as a share of the largest; None where no frame ran.
    said: errors and warnings of build and runtime."""

    target: str
    built: bool | None
    validity: str = ""
    diagnostics: str = ""
    loaded: bool | None = None
    context: bool | None = None
    difference: float | None = None
    said: tuple[str, ...] = ()


def portable_outcomes(model: bytes, targets: Sequence[Sequence[str]] = TARGETS) -> list[Outcome]:
    """What each engine of the ONNX bytes `model` did here, in a process for each: one that crashes takes no other along."""
    found = []
    for target in targets:
        with tempfile.TemporaryDirectory(prefix="edgeneuro-") as folder:
            path = Path(folder) / "report.json"
            arguments = (str(path), *target)
            try:
                run_child("tensorrt-rtx: a portable engine", _MODULE, arguments, model, timeout_s=_TIMEOUT_S)
                found.append(from_json(Outcome, json.loads(path.read_bytes()), "report.json"))
            except BackendError as error:
                found.append(Outcome(target=_title(target), built=None, said=(str(error),)))
    return found


def try_engine(library: Library, model: bytes, target: Sequence[str]) -> Outcome:
    """Build, ask, load; nothing is raised, since every refusal is a result."""
    try:
        built = build(
            model, "tensorrt-rtx", BuildSettings(compute_capabilities=tuple(target)), progress=lambda line: None
        )
    except BackendError as error:
        return Outcome(target=_title(target), built=False, said=(str(error),))
    ran: float | None = None
    refused: tuple[str, ...] = ()
    with library.log.listening() as heard:
        runtime = library.module.Runtime(library.log)
        validity, diagnostics = _validity(library.module, runtime, built.content)
        engine = runtime.deserialize_cuda_engine(built.content)
        context = None if engine is None else engine.create_execution_context()
        if context is not None:
            try:
                ran = run_frame(library, engine, context, model)
            except BackendError as error:
                refused = (str(error),)
    said = messages(heard, WARNING, ERROR, INTERNAL_ERROR)
    return Outcome(
        target=_title(target),
        built=True,
        validity=validity,
        diagnostics=diagnostics,
        loaded=engine is not None,
        context=None if engine is None else context is not None,
        difference=ran,
        said=(*built.report.warnings, *refused, *said),
    )


def run_frame(library: Library, engine: Any, context: Any, model: bytes) -> float:
    """How far the outputs of one random frame are from ONNX Runtime's. Raises BackendError."""
    interface = read_interface(engine, library.module, library.name)
    rng = np.random.default_rng(0)
    feed = {
        spec.name: rng.random([max(size, 1) for size in spec.shape]).astype(spec.dtype) for spec in interface.inputs
    }
    with closing(open_backend("onnxruntime", model, threads=None)) as processor:
        expected = processor.run(feed)
    with closing(open_cuda()) as cuda:
        lane = Lane(cuda, context, interface, library=library, zero_copy=False, graphs=False)
        try:
            lane.start(feed)
            return difference(lane.finish(), expected)
        finally:
            lane.release_context()
            lane.release_memory()


def rows_of(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """One row of the result each."""
    return [{**to_json(outcome), "said": "; ".join(outcome.said) or None} for outcome in outcomes]


def _validity(module: Any, runtime: Any, content: bytes) -> tuple[str, str]:
    """What the library says of the engine's header, by the names of its enums."""
    validity, found = runtime.get_engine_validity(content[: runtime.engine_header_size])
    bits = module.EngineInvalidityDiagnostics.__members__
    return validity.name, ", ".join(name for name, bit in bits.items() if int(found) & bit.value)


def _title(target: Sequence[str]) -> str:
    return ", ".join(target) or "this device"


if __name__ == "__main__":
    write_json(
        Path(sys.argv[1]), to_json(try_engine(open_library("tensorrt-rtx"), sys.stdin.buffer.read(), sys.argv[2:]))
    )
