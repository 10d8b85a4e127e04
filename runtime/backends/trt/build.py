"""Building an engine in this very process; `builder` does it in one of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.common import first_line
from edgeneuro.runtime.backends.trt.config import attach_timing_cache, make_config
from edgeneuro.runtime.backends.trt.dla import use_dla
from edgeneuro.runtime.backends.trt.layers import (
    EngineLayer,
    NetworkLayer,
    census,
    from_inspector,
    from_log,
    network_layers,
)
from edgeneuro.runtime.backends.trt.library import (
    ERROR,
    INFO,
    INTERNAL_ERROR,
    VERBOSE,
    WARNING,
    Library,
    Said,
    messages,
)
from edgeneuro.runtime.backends.trt.network import check_uint8, parse, silent_uint8
from edgeneuro.runtime.backends.trt.progress import make_monitor
from edgeneuro.runtime.backends.trt.records import BuildReport, BuildSettings, BuiltEngine, Layers

_HINTS = (
    ("workspace limit", "raise --workspace, or leave it out"),
    ("memory", "free some memory, or lower --workspace or --level"),
)
"""What the library says, in lower case -> what to do."""
_OTHERWISE = "run `edgeneuro lint --target tensorrt`, or run the model with another backend"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to build. uint8_is_error: whether a graph is refused that has UINT8 QuantizeLinear nodes."""

    model: bytes
    settings: BuildSettings
    timing_cache: bytes = b""
    uint8_is_error: bool = True


def build_here(job: Job, library: Library, progress: Callable[[str], None]) -> BuiltEngine:
    """Parse, build, and read the list of layers.

    Raises BackendError: no GPU, every node that the parser refuses, settings that this library, graph or board cannot
    honour, UINT8, a build that fails.
    """
    started = time.monotonic()
    with library.log.listening() as heard:
        builder = _builder(library, heard)
        parsed = parse(job.model, builder, library, heard)
        if job.uint8_is_error:
            check_uint8(job.model, messages(heard, WARNING), library)
        config = make_config(builder, parsed.network, library, job.settings, make_monitor(library, progress))
        if job.settings.dla_core is not None:
            able, layers = use_dla(builder, config, parsed.network, library, job.settings.dla_core)
            progress(f"{able} of {layers} layers can run on the DLA")
        timing_cache = attach_timing_cache(config, library, job.timing_cache)
        plan = builder.build_serialized_network(parsed.network, config)
        if plan is None:
            raise _failed(library, job.settings, heard)
        content = bytes(plan)
        found = _layers(content, network_layers(parsed.network, library.module), library, job.settings, heard)
    report = BuildReport(
        flavour=library.flavour,
        version=library.version,
        warnings=(*messages(heard, WARNING), *silent_uint8(job.model)),
        layers=found,
        engine_bytes=len(content),
        seconds=time.monotonic() - started,
    )
    kept = b"" if timing_cache is None else bytes(timing_cache.serialize())
    return BuiltEngine(content=content, report=report, timing_cache=kept)


def _builder(library: Library, heard: Sequence[Said]) -> Any:
    try:
        return library.module.Builder(library.log)
    except Exception as error:  # pybind11 raises several kinds where the library gives no object
        reasons = "; ".join(messages(heard, ERROR, INTERNAL_ERROR)) or first_line(error)
        raise BackendError(
            f"{library.name}: cannot start building ({reasons}); it needs the GPU it builds for: run `edgeneuro doctor`"
        ) from error


def _failed(library: Library, settings: BuildSettings, heard: Sequence[Said]) -> BackendError:
    reasons = "; ".join(messages(heard, ERROR, INTERNAL_ERROR)) or "no reason given"
    remedy = next((hint for part, hint in _HINTS if part in reasons.lower()), _OTHERWISE)
    if library.flavour == "tensorrt-rtx" and (settings.refit or settings.strip) and "Myelin" in reasons:
        remedy = (
            "with refit or strip it wants a GPU while it builds, and a single compute capability: build on a machine that "
            "has one, or leave them out"
        )
    return BackendError(f"{library.name}: cannot build the engine: {reasons}; {remedy}")


def _layers(
    content: bytes, network: Sequence[NetworkLayer], library: Library, settings: BuildSettings, heard: Sequence[Said]
) -> Layers | None:
    """TensorRT-RTX lists the layers while it builds, on machines without a GPU too. The others must load the engine, which
    was made by this process a moment ago; of version-compatible ones they load none without the lean runtime."""
    if library.flavour == "tensorrt-rtx":
        return census(from_log(messages(heard, INFO, VERBOSE)), network, "build log")
    if settings.version_compatible:
        return None
    return census(_inspected(content, library, settings), network, "inspector")


def _inspected(content: bytes, library: Library, settings: BuildSettings) -> tuple[EngineLayer, ...]:
    runtime = library.module.Runtime(library.log)
    if settings.dla_core is not None:
        runtime.DLA_core = settings.dla_core
    library.log.clear()
    engine = runtime.deserialize_cuda_engine(content)
    if engine is None:
        reasons = "; ".join(library.log.errors()) or "no reason given"
        raise BackendError(f"{library.name}: built an engine that it cannot load ({reasons}); run `edgeneuro doctor`")
    inspector = engine.create_engine_inspector()
    context = None if settings.strip else _context(engine, library, settings.max_batch)
    if context is not None:
        inspector.execution_context = context
    text = inspector.get_engine_information(library.module.LayerInformationFormat.JSON)
    try:
        return from_inspector(text)
    except ValueError as error:
        raise BackendError(
            f"{library.name}: lists the engine's layers in an unknown form ({first_line(error)})"
        ) from error


def _context(engine: Any, library: Library, batch: int) -> Any | None:
    """While the batch is free, 10.x says nothing of types; a context knows it. It takes no memory of its own."""
    context = engine.create_execution_context(library.module.ExecutionContextAllocationStrategy.USER_MANAGED)
    if context is None:
        return None
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        if engine.get_tensor_mode(name) == library.module.TensorIOMode.INPUT:
            shape = tuple(size if size >= 0 else batch for size in engine.get_tensor_shape(name))
            context.set_input_shape(name, shape)
    return context
