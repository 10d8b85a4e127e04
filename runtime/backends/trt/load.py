"""From bytes to an engine of the library: executable content, so only what `cache.engines` gives comes here."""

from __future__ import annotations

from typing import Any

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.common import first_line
from edgeneuro.runtime.backends.trt.cache import Source
from edgeneuro.runtime.backends.trt.library import Library


def open_runtime(library: Library) -> Any:
    """An IRuntime. Raises BackendError where the library finds no GPU or driver that it can use."""
    library.log.clear()
    try:
        return library.module.Runtime(library.log)
    except Exception as error:  # pybind11 raises several kinds where the library gives no object
        reasons = "; ".join(library.log.errors()) or first_line(error)
        raise BackendError(f"{library.name}: cannot start ({reasons}); run `edgeneuro doctor`") from error


def deserialise(source: Source, model: bytes, runtime: Any, library: Library) -> Any:
    """An ICudaEngine. Code of the host inside an engine is never run: `engine_host_code_allowed` stays False.

    model: the ONNX bytes of its graph, whose weights a plan without any gets. Raises BackendError with what the library
    said.
    """
    settings = source.identity.settings
    if reason := _invalid(source.content, runtime, library.module):
        raise BackendError(f"{library.name}: the engine from the {source.origin} is invalid here ({reason})")
    if settings.dla_core is not None:
        runtime.DLA_core = settings.dla_core
    library.log.clear()
    try:
        engine = runtime.deserialize_cuda_engine(source.content)
        if engine is not None and settings.strip:
            _fill(engine, model, library)
    except (RuntimeError, TypeError, ValueError) as error:  # what pybind11 makes of the library's exceptions
        raise BackendError(f"{library.name}: cannot load the engine ({first_line(error)})") from error
    if engine is None:
        raise BackendError(f"{library.name}: cannot load the engine ({_said(library)})")
    return engine


def _fill(engine: Any, model: bytes, library: Library) -> None:
    """Give a plan that was stripped of its weights those of the graph."""
    refitter = library.module.Refitter(engine, library.log)
    parser = library.module.OnnxParserRefitter(refitter, library.log)
    if not (parser.refit_from_bytes(model) and refitter.refit_cuda_engine()):
        raise BackendError(
            f"{library.name}: cannot fill the engine with the graph's weights ({_said(library)}); "
            "build it again with its weights inside"
        )


def _said(library: Library) -> str:
    return "; ".join(library.log.errors()) or "no reason given"


def _invalid(content: bytes, runtime: Any, module: Any) -> str:
    """What TensorRT-RTX finds in an engine's header; "" where it finds nothing, or cannot tell."""
    if not hasattr(runtime, "get_engine_validity"):
        return ""
    validity, found = runtime.get_engine_validity(content[: runtime.engine_header_size])
    if validity != module.EngineValidity.INVALID:
        return ""
    reasons = module.EngineInvalidityDiagnostics.__members__
    return ", ".join(name for name, bit in reasons.items() if int(found) & bit.value) or "no reason given"
