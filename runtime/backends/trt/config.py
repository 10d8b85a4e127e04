"""Settings of a build as an IBuilderConfig, by what the library has: what it lacks is refused, not left out.

No precision flag, no calibrator: precision is in the graph. TF32 is off, so that FP32 means FP32: it would round the
inputs of products to 10 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.trt.library import Library
from edgeneuro.runtime.backends.trt.records import BuildSettings

_LEVELS = range(6)
"""IBuilderConfig.builder_optimization_level; a library takes other numbers and makes of them what it likes."""

_HARDWARE = {"ampere+": "AMPERE_PLUS", "same-compute-capability": "SAME_COMPUTE_CAPABILITY"}


def make_config(builder: Any, network: Any, library: Library, settings: BuildSettings, monitor: Any) -> Any:
    """monitor: an IProgressMonitor. Raises BackendError for what this library, or this graph, cannot do."""
    config = builder.create_builder_config()
    config.progress_monitor = monitor
    config.profiling_verbosity = library.module.ProfilingVerbosity.DETAILED  # else the inspector knows names only
    config.clear_flag(library.module.BuilderFlag.TF32)
    if settings.workspace_mib is not None:
        _check(settings.workspace_mib > 0, library, f"workspace of {settings.workspace_mib} MiB", "at least 1")
        config.set_memory_pool_limit(library.module.MemoryPoolType.WORKSPACE, settings.workspace_mib << 20)
    if settings.level is not None:
        _check(settings.level in _LEVELS, library, f"level {settings.level}", "0 to 5")
        config.builder_optimization_level = settings.level
    _set_portability(config, library, settings)
    _set_refit(config, library, settings)
    if settings.sparse_weights:
        _set_sparse_weights(config, library)
    _add_profile(builder, config, network, library, settings.max_batch)
    return config


def attach_timing_cache(config: Any, library: Library, known: bytes) -> Any | None:
    """Reuse what an earlier build measured, and return the cache to be kept afterwards; None where there is none.

    known: empty starts afresh, and so does one that is damaged or for another version or device. TensorRT-RTX measures
    nothing while it builds; asking it for a timing cache only makes it look for a GPU ("Timing Cache Migration",
    TensorRT-RTX documentation).
    """
    if library.flavour == "tensorrt-rtx":
        return None
    for content in (known, b""):
        try:
            cache = config.create_timing_cache(content)
        except Exception:  # noqa: BLE001, S112  (pybind11 raises several kinds; a fresh cache replaces this one)
            continue
        if cache is not None and config.set_timing_cache(cache, False):
            return cache
    return None


def _set_portability(config: Any, library: Library, settings: BuildSettings) -> None:
    if settings.version_compatible:
        _set_version_compatible(config, library)
    if settings.hardware != "none":
        _set_hardware(config, library, settings)
    if settings.compute_capabilities:
        _set_compute_capabilities(config, library, settings.compute_capabilities)


def _set_version_compatible(config: Any, library: Library) -> None:
    """Without the lean runtime inside: that is code of the host, which the runtime of this package never lets run. Whoever
    loads such an engine with a newer TensorRT gives it the lean library of the version that built it (load_runtime)."""
    if library.flavour == "tensorrt-rtx":
        raise BackendError(
            f"{library.name}: cannot build version-compatible engines: no release runs the engines of another, and the lean "
            "runtime that would is not part of it; build one engine for each release"
        )
    for name in ("VERSION_COMPATIBLE", "EXCLUDE_LEAN_RUNTIME"):
        config.set_flag(_flag(library, name, "version-compatible engines"))


def _set_hardware(config: Any, library: Library, settings: BuildSettings) -> None:
    if library.flavour == "tensorrt-rtx":
        raise BackendError(
            f"{library.name}: has no hardware compatibility levels; name the GPUs by their compute capabilities instead"
        )
    level = library.member("HardwareCompatibilityLevel", _HARDWARE[settings.hardware])
    if level is None:
        has = library.members("HardwareCompatibilityLevel")
        offered = [name for name, member in _HARDWARE.items() if member in has]
        raise BackendError(
            f"{library.name}: hardware compatibility {settings.hardware}: is not known to it, expected one of "
            f"{', '.join(('none', *offered))}"
        )
    config.hardware_compatibility_level = level


def _set_compute_capabilities(config: Any, library: Library, wanted: Sequence[str]) -> None:
    members = library.members("ComputeCapability")
    known = {name: value for name, value in members.items() if name.startswith("SM")}
    if not known:
        raise BackendError(
            f"{library.name}: got compute capabilities {', '.join(wanted)}, but builds for the GPU it runs on alone; "
            "leave them out, and build on the device"
        )
    config.num_compute_capabilities = len(wanted)
    for index, text in enumerate(wanted):
        name = f"SM{text.replace('.', '')}"
        if name not in known:
            offered = ", ".join(f"{key[2:-1]}.{key[-1]}" for key in known)
            raise BackendError(
                f"{library.flavour}: compute capability {text}: is not known to {library.name}, which has {offered}"
            )
        config.set_compute_capability(known[name], index)


def _set_refit(config: Any, library: Library, settings: BuildSettings) -> None:
    """A stripped plan gets the very weights it was built from; any others need `refit`, whose engines NVIDIA says may
    compute wrongly in 11.3 ("Refitting an Engine"): prove them."""
    if settings.refit and settings.strip:
        raise BackendError(f"{library.name}: got refit and strip, expected one of them: they exclude each other")
    if settings.refit:
        config.set_flag(_flag(library, "REFIT", "engines with replaceable weights"))
    if settings.strip:
        for name in ("STRIP_PLAN", "REFIT_IDENTICAL"):
            config.set_flag(_flag(library, name, "engines without weights"))


def _set_sparse_weights(config: Any, library: Library) -> None:
    """TensorRT times sparse kernels beside the others then, for FP16 and INT8 layers whose weights follow the pattern."""
    if library.flavour == "tensorrt-rtx":
        raise BackendError(
            f"{library.name}: has no use for sparse weights: it builds the same engine, byte by byte, with its flag and "
            "without; leave --sparse out, or build with tensorrt"
        )
    config.set_flag(_flag(library, "SPARSE_WEIGHTS", "engines with kernels for sparse weights"))


def _add_profile(builder: Any, config: Any, network: Any, library: Library, max_batch: int) -> None:
    """One optimisation profile: the batch may be 1 to `max_batch`, and is the fastest at that."""
    _check(max_batch >= 1, library, f"batch of {max_batch}", "at least 1")
    profile = builder.create_optimization_profile()
    free = False
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = tuple(tensor.shape)
        for axis, size in enumerate(shape):
            if size < 0 and axis > 0:
                raise BackendError(
                    f"{library.name}: input {tensor.name!r} of shape {shape} has a free axis {axis}"
                    f"{_axis_name(tensor, axis)}; only the first one, the batch, may be free: export it with a fixed size"
                )
        free = free or shape[:1] == (-1,)
        least, most = (tuple(size if size >= 0 else batch for size in shape) for batch in (1, max_batch))
        profile.set_shape(tensor.name, least, most, most)
    if max_batch > 1 and not free:
        raise BackendError(
            f"{library.name}: got a batch of {max_batch}, but no input of the graph has a free batch axis; leave it out, or "
            "export the graph with a free first axis"
        )
    if config.add_optimization_profile(profile) < 0:
        raise BackendError(
            f"{library.name}: refuses batches of 1 to {max_batch} ({'; '.join(library.log.errors()) or 'no reason given'})"
        )


def _axis_name(tensor: Any, axis: int) -> str:
    name = tensor.get_dimension_name(axis)
    return f" ({name!r})" if name else ""


def _flag(library: Library, name: str, what: str) -> Any:
    found = library.member("BuilderFlag", name)
    if found is None:
        raise BackendError(f"{library.name}: cannot build {what} (it has no BuilderFlag.{name}); leave that out")
    return found


def _check(holds: bool, library: Library, got: str, expected: str) -> None:
    if not holds:
        raise BackendError(f"{library.name}: got a {got}, expected {expected}")
