"""Every rival of one engine, made and opened: what others make of the same network on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from edgeneuro.benchmarks.rivals import onnxruntime_rivals, openvino_rivals, torch_rivals
from edgeneuro.benchmarks.rivals.material import Material, difference
from edgeneuro.benchmarks.rivals.rival import Opened, Rival, Rivals, RivalSource
from edgeneuro.errors import EdgeNeuroError, ModelFileError

SAME = 1e-3
"""Largest difference from the float graph that an FP32 rival may have, as a share of the largest output. Summing in another
order moves float32 by about 1e-6 a layer; another network moves it by far more."""
REMEDIES = {"torch": "train", "safetensors": "train", "onnx": "export", "nncf": "export", "openvino": "openvino"}
"""Module that is missing -> the extra that brings it."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A row of the table. open: makes and opens it, and raises whatever its library raises."""

    tool: str
    backend: str
    precision: str
    open: Callable[[Material], Opened]


KINDS: tuple[Kind, ...] = (
    Kind(tool="PyTorch eager", backend="pytorch", precision="fp32", open=torch_rivals.open_eager),
    Kind(tool="torch.compile", backend="pytorch", precision="fp32", open=torch_rivals.open_compiled),
    Kind(tool="ONNX Runtime", backend="onnxruntime", precision="fp32", open=onnxruntime_rivals.open_float),
    Kind(tool="ONNX Runtime static INT8", backend="onnxruntime", precision="int8", open=onnxruntime_rivals.open_static),
    Kind(
        tool="ONNX Runtime static INT8, U8S8 per channel",
        backend="onnxruntime",
        precision="int8",
        open=onnxruntime_rivals.open_u8s8,
    ),
    Kind(tool="OpenVINO", backend="openvino", precision="fp32", open=openvino_rivals.open_float),
    Kind(tool="OpenVINO bf16", backend="openvino", precision="bf16", open=openvino_rivals.open_bf16),
    Kind(tool="OpenVINO NNCF INT8", backend="openvino", precision="int8", open=openvino_rivals.open_nncf),
    Kind(
        tool="NNCF raw ONNX on ONNX Runtime", backend="onnxruntime", precision="int8", open=onnxruntime_rivals.open_nncf
    ),
    Kind(tool="NNCF raw ONNX on OpenVINO", backend="openvino", precision="int8", open=openvino_rivals.open_nncf_onnx),
)
"""In the order in which they are made."""


def open_rivals(source: RivalSource, *, threads: int | None, progress: Callable[[str], None]) -> Rivals:
    """Every rival that can run here, and why the others cannot. One that fails stops no other.

    threads: of every rival, None leaves it to each library; PyTorch's is set for the whole process. progress: told what is
    being made; all of them take minutes. A rival has answered one calibration frame; an FP32 one as the float graph does.
    Raises DataError without calibration frames, BackendError where ONNX Runtime refuses the float graph.
    """
    material = Material(source, threads)
    opened: list[Rival] = []
    missing: dict[str, str] = {}
    for number, kind in enumerate(KINDS, 1):
        progress(f"making rival {number} of {len(KINDS)}, {kind.tool}")
        try:
            opened.append(_made(kind, material))
        except Exception as error:  # noqa: BLE001  whatever a library raises is a result
            missing[kind.tool] = _reason(error)
    return Rivals(opened=tuple(opened), missing=missing)


def _made(kind: Kind, material: Material) -> Rival:
    started = time.perf_counter()
    made = kind.open(material)
    seconds = time.perf_counter() - started
    off = difference(made.run(material.frames[0]), material.reference)
    if off > (SAME if kind.precision == "fp32" else float("inf")) or off == float("inf"):
        made.close()
        allowed = f"at most {SAME:g} of the largest" if kind.precision == "fp32" else "finite ones of the same shape"
        raise ModelFileError(
            f"its outputs differ from the float graph's by {off:.2g} of the largest, expected {allowed}"
        )
    return Rival(
        tool=kind.tool,
        backend=kind.backend,
        precision=kind.precision,
        graph=made.graph,
        run=made.run,
        close=made.close,
        notes=(
            *made.notes,
            f"differs from the float graph by {off:.2g} of the largest output on one calibration frame",
        ),
        seconds=seconds,
    )


def _reason(error: Exception) -> str:
    """In one sentence."""
    if isinstance(error, ImportError):
        module = (error.name or "").partition(".")[0]
        remedy = f"; run: pip install 'edgeneuro[{REMEDIES[module]}]'" if module in REMEDIES else ""
        return f"{module or error} is not installed{remedy}"
    first = (str(error).strip().splitlines() or [""])[0]
    return first if isinstance(error, EdgeNeuroError) else f"{type(error).__name__}: {first}"
