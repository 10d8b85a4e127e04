"""What `edgeneuro doctor` looks at: this machine, what is installed on it, and what follows for building and running."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from edgeneuro import __version__
from edgeneuro.cli.options import EXTRAS
from edgeneuro.errors import SignatureError
from edgeneuro.runtime.cpu import core_count, cpu_features
from edgeneuro.runtime.machine.examine import examine_machine
from edgeneuro.runtime.machine.machine import Machine
from edgeneuro.runtime.machine.memory import available_mib
from edgeneuro.runtime.machine.records import Board, Check, Driver, Gpu
from edgeneuro.runtime.trust import trusted_keys

ON_GPU = ("tensorrt-rtx", "cuda", "tensorrt", "pycuda", "nvml")
"""Extras that make sense for some GPUs only; the checks of the GPU side speak of them."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """can: job -> whether this machine can do it. features: of the processor, as graphs ask for them."""

    edgeneuro: str
    architecture: str
    features: tuple[str, ...]
    cores: int
    memory_mib: int | None
    backends: dict[str, str | None]
    gpus: tuple[Gpu, ...]
    driver: Driver | None
    board: Board | None
    checks: tuple[Check, ...]
    can: dict[str, bool]


def examine() -> Report:
    """Look at Python, processor, memory, backends, extras and the GPU side; imports nothing heavier than onnxruntime, what
    is heavier is tried in a process of its own."""
    machine = Machine()
    features = cpu_features()
    backends = {"onnxruntime": _onnxruntime(), "openvino": _openvino()}
    memory = available_mib(machine)
    python = Check(
        name="python",
        ok=sys.version_info >= (3, 10),
        found=platform.python_version(),
        remedy="" if sys.version_info >= (3, 10) else "install Python 3.10 or newer",
    )
    execution, processor = _backend(backends), _processor(features)
    found = examine_machine(machine)
    extras = {extra: _extra(extra) for extra in dict.fromkeys(EXTRAS.values()) if extra not in ON_GPU}
    run = python.ok and execution.ok
    return Report(
        edgeneuro=__version__,
        architecture=platform.machine(),
        features=tuple(sorted(features)),
        cores=core_count(),
        memory_mib=memory,
        backends=backends | found.backends,
        gpus=found.gpus,
        driver=found.driver,
        board=found.board,
        checks=(python, execution, processor, _memory(memory), *found.checks, _trusted_keys(), *extras.values()),
        can={
            "run": run,
            "train": run and extras["train"].ok,
            "build": run and extras["train"].ok and extras["export"].ok,
            "benchmark": run and all(extras[name].ok for name in ("train", "export", "benchmark")),
        }
        | {job: run and possible for job, possible in found.can.items()},
    )


def _onnxruntime() -> str | None:
    """Its version, None where it cannot be imported."""
    try:
        import onnxruntime
    except ImportError:
        return None
    return str(onnxruntime.__version__)


def _openvino() -> str | None:
    """Its version, None where it is not installed; not imported, which takes long."""
    return version("openvino") if find_spec("openvino") is not None else None


def _backend(backends: dict[str, str | None]) -> Check:
    found = [f"{name} {number}" for name, number in backends.items() if number is not None]
    base = backends["onnxruntime"] is not None  # it runs the float graph of every bundle
    remedy = "" if base else "run: pip install onnxruntime"
    return Check(name="backends", ok=base, found=", ".join(found) or "none can be imported", remedy=remedy)


def _processor(features: frozenset[str]) -> Check:
    fast = "x86_64" in features and "vnni" in features
    return Check(
        name="INT8",
        ok=fast,
        found=f"processor shows {', '.join(sorted(features))}",
        remedy="" if fast else "INT8 graphs that need x86_64 and vnni are opened as fp32 here; nothing to install",
    )


def _memory(available: int | None) -> Check:
    found = "unknown on this system" if available is None else f"{available:,} MiB available"
    return Check(name="memory", ok=True, found=found)


def _trusted_keys() -> Check:
    name = "trusted keys"
    try:
        count = len(trusted_keys())
    except SignatureError as error:  # no engine is let in
        found, _, remedy = str(error).rpartition("; ")
        return Check(name=name, ok=False, found=found, remedy=remedy)
    known = f"{count} installed: only engines signed with one of them run"
    return Check(name=name, ok=True, found=known if count else "none installed, so engines need no signature")


def _extra(extra: str) -> Check:
    wanted = [module for module, owner in EXTRAS.items() if owner == extra]
    missing = [module for module in wanted if find_spec(module) is None]
    return Check(
        name=f"extra {extra}",
        ok=not missing,
        found=f"lacks {', '.join(missing)}" if missing else ", ".join(filter(None, map(_named, wanted))),
        remedy=f"run: pip install 'edgeneuro[{extra}]'" if missing else "",
    )


def _named(module: str) -> str:
    distribution = {"sklearn": "scikit-learn", "skimage": "scikit-image"}.get(module, module)
    try:
        return f"{module} {version(distribution)}"
    except PackageNotFoundError:
        return module
