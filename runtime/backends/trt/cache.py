"""Where an engine comes from: the private cache, the bundle, or a build on this device, which is then kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from edgeneuro.errors import BackendError, InputError
from edgeneuro.files import canonical_json
from edgeneuro.records import from_json, to_json
from edgeneuro.runtime.backends.cuda.open import open_cuda
from edgeneuro.runtime.backends.trt.builder import build
from edgeneuro.runtime.backends.trt.identity import fits, identity_here
from edgeneuro.runtime.backends.trt.library import open_library
from edgeneuro.runtime.backends.trt.records import (
    BuildReport,
    BuildSettings,
    BuiltEngine,
    EngineIdentity,
    Flavour,
    Prebuilt,
)
from edgeneuro.runtime.backends.trt.vault import Vault

log = logging.getLogger("edgeneuro")

_SIZE_BYTES = 8
"""Of the number in front of an entry: how long its header is, big-endian."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An engine to try. origin: of which of the three places. report: of its build, None for the bundle's."""

    content: bytes
    identity: EngineIdentity
    origin: Literal["cache", "bundle", "build"]
    report: BuildReport | None


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What stands in front of an engine and its timing cache. schema: raised when a field changes meaning."""

    schema: Literal[1] = 1
    identity: EngineIdentity
    report: BuildReport
    engine_bytes: int


@dataclass(frozen=True, kw_only=True)
class _Entry:
    identity: EngineIdentity
    engine: BuiltEngine


def engines(
    model: bytes,
    here: EngineIdentity,
    vault: Vault,
    *,
    prebuilt: Prebuilt | None = None,
    settings: BuildSettings | None = None,
) -> Iterator[Source]:
    """Engines of the ONNX bytes `model` that fit `here`, what needs no build first; the last has just been built.

    settings: those asked for. None takes an engine whatever its own, and builds with those of the engine that was kept
    here for the same graph, else the usual ones. Raises BackendError when the graph cannot be built.
    """
    kept, refused = _read(vault, here)
    if refused:
        log.warning("%s: the cached engine is refused (%s)", _library(here), refused)
    if kept is not None and _fitting("cached", kept.identity, here, settings):
        yield Source(content=kept.engine.content, identity=kept.identity, origin="cache", report=kept.engine.report)
    if prebuilt is not None and _fitting("bundle's", prebuilt.identity, here, settings):
        yield Source(content=prebuilt.content, identity=prebuilt.identity, origin="bundle", report=None)
    wanted = settings or (kept.identity.settings if kept else BuildSettings())
    log.warning("%s: building the engine for this device, once; on a Jetson that takes minutes", _library(here))
    built = build(model, here.flavour, wanted, timing_cache=_timing_cache(kept, here), progress=_tell)
    identity = _identity_of(here, wanted)
    if unkept := _write(vault, identity, built):
        log.warning("%s: the engine is not kept (%s); the next start builds it again", _library(here), unkept)
    yield Source(content=built.content, identity=identity, origin="build", report=built.report)


def prepare(model: bytes, flavour: Flavour, settings: BuildSettings, progress: Callable[[str], None]) -> BuildReport:
    """Build the ONNX bytes `model` for this device and keep the engine, in place of the one kept for this graph.

    progress: gets what the library says while it builds. Raises BackendError: library, GPU or driver missing, graph
    refused, or the engine cannot be kept.
    """
    library = open_library(flavour)
    cuda = open_cuda()
    try:
        here = identity_here(model, library, cuda.device())
    finally:
        cuda.close()
    vault = Vault()
    kept, _ = _read(vault, here)
    built = build(model, flavour, settings, timing_cache=_timing_cache(kept, here), progress=progress)
    if unkept := _write(vault, _identity_of(here, settings), built):
        raise BackendError(
            f"{_library(here)}: the engine was built but cannot be kept ({unkept}); "
            "make the cache folder usable, or set EDGENEURO_CACHE to another one"
        )
    return built.report


def _fitting(whose: str, identity: EngineIdentity, here: EngineIdentity, settings: BuildSettings | None) -> bool:
    difference = fits(identity, here, settings)
    if difference:
        log.warning("%s: the %s engine is for %s", _library(here), whose, difference)
    return not difference


def _identity_of(here: EngineIdentity, settings: BuildSettings) -> EngineIdentity:
    capabilities = settings.compute_capabilities or here.compute_capabilities
    return replace(here, compute_capabilities=capabilities, settings=settings)


def _timing_cache(kept: _Entry | None, here: EngineIdentity) -> bytes:
    """What an earlier build measured, where it was by the same library on the same kind of GPU."""
    same = kept is not None and (kept.identity.version, kept.identity.gpu) == (here.version, here.gpu)
    return kept.engine.timing_cache if kept is not None and same else b""


def _tell(line: str) -> None:
    log.info("%s", line)


def _library(here: EngineIdentity) -> str:
    return f"{here.flavour} {here.version}"


def _name(here: EngineIdentity) -> str:
    return f"{here.flavour}-{here.graph}.engine"


def _read(vault: Vault, here: EngineIdentity) -> tuple[_Entry | None, str]:
    """The engine kept for the graph and flavour of `here`; or None and why it is refused, "" where none was kept."""
    payload, refused = vault.read(_name(here))
    if payload is None:
        return None, refused
    start = _SIZE_BYTES + int.from_bytes(payload[:_SIZE_BYTES], "big")
    try:
        header = from_json(_Header, json.loads(bytes(payload[_SIZE_BYTES:start])), _name(here))
    except (ValueError, InputError) as error:  # written by another version of this package
        return None, str(error)
    end = start + header.engine_bytes
    content, timing = bytes(payload[start:end]), bytes(payload[end:])
    built = BuiltEngine(content=content, report=header.report, timing_cache=timing)
    return _Entry(identity=header.identity, engine=built), ""


def _write(vault: Vault, identity: EngineIdentity, built: BuiltEngine) -> str:
    """Keep an engine in place of the one of its graph and flavour. Returns "", or why it is not kept."""
    header = canonical_json(to_json(_Header(identity=identity, report=built.report, engine_bytes=len(built.content))))
    size = len(header).to_bytes(_SIZE_BYTES, "big")
    return vault.write(_name(identity), size, header, built.content, built.timing_cache)
