"""What this machine's processor offers to a graph that asks for it."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

_ARCHITECTURES = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}

_FLAGS = {
    "avx2": "avx2",
    "avx512f": "avx512",
    "avx512_vnni": "vnni",
    "avx_vnni": "vnni",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
}
"""Linux's name in /proc/cpuinfo -> the name in a graph's `requires`."""


@cache
def cpu_features() -> frozenset[str]:
    """Names a graph's `requires` may ask for: the architecture ("x86_64", "aarch64") and instruction sets ("avx2",
    "avx512", "vnni", "dotprod", "i8mm").

    Instruction sets are read from /proc/cpuinfo; on systems without it none is claimed, so that a graph that needs
    one is passed over rather than run wrong.
    """
    machine = platform.machine().lower()
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return frozenset({_ARCHITECTURES.get(machine, machine)}) | features_in(text)


def features_in(cpuinfo: str) -> frozenset[str]:
    """Instruction sets named by the text of /proc/cpuinfo, of its first processor."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() in ("flags", "features"):
            return frozenset(_FLAGS[flag] for flag in value.split() if flag in _FLAGS)
    return frozenset()


def core_count() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name() -> str:
    """What this machine's processor calls itself, "unknown" where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    for line in lines:
        if line.lower().startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
