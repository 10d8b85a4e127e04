"""What an engine fits, and whether that is here."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import fields

from edgeneuro.files import sha256
from edgeneuro.runtime.backends.cuda.api import GpuDevice
from edgeneuro.runtime.backends.trt.library import Library
from edgeneuro.runtime.backends.trt.records import BuildSettings, EngineIdentity


def platform_name() -> str:
    """Operating system and processor, e.g. "linux-x86_64"; no engine crosses it."""
    return f"{platform.system().lower()}-{platform.machine().lower()}"


def identity_here(model: bytes, library: Library, device: GpuDevice) -> EngineIdentity:
    """Of an engine that is built from the ONNX bytes `model` on `device` with the usual settings."""
    return EngineIdentity(
        graph=sha256(model),
        flavour=library.flavour,
        version=library.version,
        platform=platform_name(),
        compute_capabilities=(device.compute_capability,),
        gpu=device.name,
        multiprocessors=device.multiprocessors,
        driver=device.driver,
    )


def fits(identity: EngineIdentity, here: EngineIdentity, settings: BuildSettings | None = None) -> str:
    """ "" where the engine can run here, else the first field that differs, e.g. "driver 12.4, here is 12.6".

    here: of the device, with its compute capability alone. settings: those asked for; None takes any.
    The driver counts, though most engines survive a new one: which kernels are the fastest is measured with it.
    """
    for name, built, present in _differences(identity, here):
        return f"{name.replace('_', ' ')} {built}, here is {present}"
    if settings is not None:
        for field in fields(BuildSettings):
            built, wanted = getattr(identity.settings, field.name), getattr(settings, field.name)
            if built != wanted:
                return f"{field.name.replace('_', ' ')} {built}, asked for is {wanted}"
    return ""


def _differences(identity: EngineIdentity, here: EngineIdentity) -> Iterator[tuple[str, object, object]]:
    """(field, of the engine, here) of what must agree and does not."""
    if identity.graph != here.graph:
        yield "graph", identity.graph[:12], here.graph[:12]
    for name in ("flavour", "version", "platform"):
        if getattr(identity, name) != getattr(here, name):
            yield name, getattr(identity, name), getattr(here, name)
    if not _runs_on(identity, here.compute_capabilities[0]):
        yield "compute_capability", " or ".join(identity.compute_capabilities), here.compute_capabilities[0]
    if identity.gpu and identity.settings.hardware == "none":
        for name in ("gpu", "multiprocessors"):
            if getattr(identity, name) != getattr(here, name):
                yield name, getattr(identity, name), getattr(here, name)
    if identity.driver and identity.driver != here.driver:
        yield "driver", identity.driver, here.driver


def _runs_on(identity: EngineIdentity, compute_capability: str) -> bool:
    """Compute capability 8.0 is the oldest of Ampere (CUDA C++ Programming Guide, "Compute Capabilities")."""
    if identity.settings.hardware == "ampere+":
        return int(compute_capability.partition(".")[0]) >= 8
    return compute_capability in identity.compute_capabilities
