"""Engines, each built in a fresh process that holds nothing but the library."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgeneuro.errors import BackendError
from edgeneuro.files import write_bytes, write_json
from edgeneuro.records import from_json, to_json
from edgeneuro.runtime.backends.child import run_child
from edgeneuro.runtime.backends.common import refuse_outside_weights
from edgeneuro.runtime.backends.cuda.open import gpu_missing, open_cuda
from edgeneuro.runtime.backends.trt.build_child import ANSWER, ENGINE, REQUEST, TIMING_CACHE, Answer, Request
from edgeneuro.runtime.backends.trt.records import BuildReport, BuildSettings, BuiltEngine, Flavour

COMPUTE_CAPABILITIES = ("8.6", "8.9", "12.0")
"""GeForce RTX 30, 40 and 50. Turing (7.5) is left out: it has no FP32 matrix product, so a Gemm in FP32 fails there."""

TIMEOUT_S = 4 * 3600.0
"""A segmentation network at level 5 on the smallest Jetson is to have time enough."""

_CHILD = "edgeneuro.runtime.backends.trt.build_child"
_DEFAULTS = BuildSettings()


def build(
    model: bytes,
    flavour: Flavour,
    settings: BuildSettings = _DEFAULTS,
    *,
    timing_cache: bytes = b"",
    progress: Callable[[str], None] = lambda line: None,
) -> BuiltEngine:
    """An engine for the ONNX bytes `model`, whose types are its precision.

    settings: without compute capabilities, TensorRT-RTX builds for this machine's GPU, and where there is none for
    COMPUTE_CAPABILITIES. timing_cache: of an earlier build, to save time. progress: gets what the library does, a line
    each, while it does it. Raises BackendError: library or GPU missing, every node that is refused and what to do about
    it, UINT8 Q/DQ, settings that cannot be honoured, a crash, no memory.
    """
    return _build(model, flavour, settings, timing_cache, progress, uint8_is_error=True)


def evidence(
    model: bytes, *, compute_capabilities: Sequence[str] = COMPUTE_CAPABILITIES, uint8_is_error: bool = True
) -> BuildReport:
    """What TensorRT-RTX plans for the ONNX bytes `model`, on a machine that needs no GPU.

    The report has layers; the engine has run nowhere. uint8_is_error: UINT8 Q/DQ builds with a warning only, is then read
    as INT8, and cuts off the upper half of every range. Raises BackendError as `build` does.
    """
    settings = BuildSettings(compute_capabilities=tuple(compute_capabilities))
    return _build(model, "tensorrt-rtx", settings, b"", lambda line: None, uint8_is_error=uint8_is_error).report


def _build(
    model: bytes,
    flavour: Flavour,
    settings: BuildSettings,
    timing_cache: bytes,
    progress: Callable[[str], None],
    *,
    uint8_is_error: bool,
) -> BuiltEngine:
    refuse_outside_weights(model, flavour)
    if flavour == "tensorrt-rtx" and not settings.compute_capabilities:
        settings = replace(settings, compute_capabilities=_capabilities_here())
    with tempfile.TemporaryDirectory(prefix="edgeneuro-") as name:  # readable by this user only
        folder = Path(name)
        request = Request(flavour=flavour, settings=settings, uint8_is_error=uint8_is_error)
        write_json(folder / REQUEST, to_json(request))
        write_bytes(folder / TIMING_CACHE, timing_cache)
        run_child(
            f"{flavour}: building the engine",
            _CHILD,
            (name,),
            model,
            timeout_s=TIMEOUT_S,
            progress=progress,
            lighter="lower --workspace or --level",
        )
        answer = from_json(Answer, json.loads((folder / ANSWER).read_bytes()), ANSWER)
        if answer.report is None:
            raise BackendError(answer.refusal)
        return BuiltEngine(
            content=(folder / ENGINE).read_bytes(),
            report=answer.report,
            timing_cache=(folder / TIMING_CACHE).read_bytes(),
        )


def _capabilities_here() -> tuple[str, ...]:
    if gpu_missing():
        return COMPUTE_CAPABILITIES
    cuda = open_cuda()
    try:
        return (cuda.device().compute_capability,)
    finally:
        cuda.close()
