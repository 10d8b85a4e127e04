"""TensorRT-RTX, as far as it goes without a GPU: does it accept a graph, and what does its plan run in INT8?

A build on the processor ends with an engine that no GPU has run: its layer list is evidence of the plan, not of speed.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeneuro.errors import BackendError
from edgeneuro.records import from_json
from edgeneuro.runtime.backends.child import run_child
from edgeneuro.runtime.backends.common import refuse_outside_weights

COMPUTE_CAPABILITIES = ("8.6", "8.9", "12.0")
"""GeForce RTX 30, 40 and 50. Turing (7.5) is left out: it has no FP32 matrix product, so a Gemm in FP32 fails there."""

_BUILDER = "edgeneuro.runtime.backends.tensorrt_rtx_build"
_TIMEOUT_S = 1800.0
UINT8_AS_INT8 = "Defaulting to INT8 instead"
"""Part of the parser's warning about UINT8 Q/DQ."""


@dataclass(frozen=True, kw_only=True)
class RefusedNode:
    """An ONNX node that the parser does not take. reason: in the library's words."""

    name: str
    operator: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class BuildEvidence:
    """What the builder planned for a graph. It has run on no GPU.

    convolutions: in the parsed network, transposed ones apart. int8_convolutions, half_convolutions: those whose layer
    in the built engine reads INT8, or FP16; the rest reads FP32. warnings: of parser and builder, each once.
    engine_bytes: size of the engine for all compute capabilities together, kernels included.
    """

    convolutions: int
    int8_convolutions: int
    half_convolutions: int
    warnings: tuple[str, ...]
    engine_bytes: int


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What the child process found: evidence, else the reasons why there is none. problems: not tied to a node."""

    version: str
    warnings: tuple[str, ...] = ()
    refused: tuple[RefusedNode, ...] = ()
    problems: tuple[str, ...] = ()
    evidence: BuildEvidence | None = None


def build_evidence(
    model: bytes, *, compute_capabilities: Sequence[str] = COMPUTE_CAPABILITIES, uint8_is_error: bool = True
) -> BuildEvidence:
    """Parse and build the ONNX bytes `model` in a fresh process, for one frame at a time, and read the layer list.

    Precision is what the graph says (strongly typed). compute_capabilities: e.g. ("8.6",). uint8_is_error: UINT8
    Q/DQ builds with a warning only, is then read as INT8, and cuts off the upper half of every range.
    Raises BackendError: library missing, every node the parser names as refused, UINT8 Q/DQ, build failed.
    """
    if importlib.util.find_spec("tensorrt_rtx") is None:
        raise BackendError("tensorrt-rtx: is not installed; run: pip install 'edgeneuro[tensorrt-rtx]'")
    refuse_outside_weights(model, "tensorrt-rtx")
    report = _build(model, compute_capabilities)
    library = f"tensorrt-rtx {report.version}"
    if uint8_is_error and any(UINT8_AS_INT8 in warning for warning in report.warnings):
        raise BackendError(
            f"{library}: the graph has UINT8 QuantizeLinear nodes, which it reads as INT8, so that values above half of "
            "each range are cut off; lower the plan for TensorRT, or run `edgeneuro lint --target tensorrt --fix`"
        )
    if report.evidence is None:
        refused = [f"{node.operator} {node.name!r} ({node.reason})" for node in report.refused]
        raise BackendError(
            f"{library}: refuses the graph: {'; '.join((*refused, *report.problems)) or 'no reason given'}; "
            "run `edgeneuro lint --target tensorrt` on it"
        )
    return report.evidence


def _build(model: bytes, compute_capabilities: Sequence[str]) -> BuildReport:
    with tempfile.TemporaryDirectory(prefix="edgeneuro-") as folder:  # readable by this user only
        found = Path(folder) / "report.json"
        arguments = (str(found), *compute_capabilities)
        run_child("tensorrt-rtx: building the graph", _BUILDER, arguments, model, timeout_s=_TIMEOUT_S)
        return from_json(BuildReport, json.loads(found.read_bytes()), "report.json")
