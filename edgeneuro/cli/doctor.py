"""edgeneuro doctor: what this machine can build and run, and the remedy for what it cannot."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import typer

from edgeneuro.cli.options import EXTRAS, Json, out, print_facts, print_json


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at. found: in words. remedy: what to do, empty where ok."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """can: job -> whether this machine can do it. features: of the processor, as graphs ask for them."""

    edgeneuro: str
    architecture: str
    features: tuple[str, ...]
    cores: int
    memory_mib: int | None
    backends: dict[str, str | None]
    checks: tuple[Check, ...]
    can: dict[str, bool]


def command(as_json: Json = False) -> None:
    """Say what this machine can build and run, and the remedy for what it cannot.

    Exit code 1 where it cannot even run an .edge file.

    \b
    edgeneuro doctor
    edgeneuro doctor --json
    """
    from edgeneuro.records import to_json

    report = examine()
    if as_json:
        print_json(to_json(report))
    else:
        _show(report)
    if not report.can["run"]:
        raise typer.Exit(1)


def examine() -> Report:
    """Look at Python, processor, memory, backends and extras; imports nothing heavier than onnxruntime."""
    from edgeneuro import __version__
    from edgeneuro.runtime.cpu import cpu_features

    features = cpu_features()
    backends = {"onnxruntime": _onnxruntime(), "openvino": _openvino()}
    memory = _available_mib()
    python = Check(
        name="python",
        ok=sys.version_info >= (3, 10),
        found=platform.python_version(),
        remedy="" if sys.version_info >= (3, 10) else "install Python 3.10 or newer",
    )
    execution, processor = _backend(backends), _processor(features)
    extras = {extra: _extra(extra) for extra in dict.fromkeys(EXTRAS.values())}
    run = python.ok and execution.ok
    return Report(
        edgeneuro=__version__,
        architecture=platform.machine(),
        features=tuple(sorted(features)),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_mib=memory,
        backends=backends,
        checks=(python, execution, processor, _memory(memory), *extras.values()),
        can={
            "run": run,
            "train": run and extras["train"].ok,
            "build": run and extras["train"].ok and extras["export"].ok,
            "benchmark": run and all(extras[name].ok for name in ("train", "export", "benchmark")),
        },
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


def _available_mib() -> int | None:
    """Memory that can be had without swapping; /proc/meminfo, so Linux only."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) // 1024
    except OSError:
        return None
    return None


def _show(report: Report) -> None:
    console = out()
    console.print(f"edgeneuro {report.edgeneuro} on {report.architecture}, {report.cores} cores", soft_wrap=True)
    print_facts(
        console,
        (
            (f"{'ok' if check.ok else '--'}  {check.name}", "; ".join(filter(None, (check.found, check.remedy))))
            for check in report.checks
        ),
    )
    for job, possible in report.can.items():
        console.print(f"{'can' if possible else 'cannot'} {job}")
