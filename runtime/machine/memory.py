"""Whether memory is enough to build an engine, and whether the cache can keep it."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from edgeneuro.runtime.machine.machine import Machine
from edgeneuro.runtime.machine.records import Check, Gpu

BUILD_MIB = 3072
"""To build an engine on a board whose GPU shares the memory: judgement, not measured. CUDA's context and TensorRT's libraries
take above 1 GiB of it, what remains is for the kernels it tries."""
GPU_BUILD_MIB = 1024
"""The same of a card's own memory."""
WORKSPACE_MIB = 512
"""Scratch memory that the remedy allows the builder."""


def available_mib(machine: Machine) -> int | None:
    """Memory that can be had without swapping; /proc/meminfo, so Linux only."""
    return _meminfo(machine, "MemAvailable")


def total_mib(machine: Machine) -> int | None:
    return _meminfo(machine, "MemTotal")


def check_build_memory(machine: Machine, gpu: Gpu) -> Check | None:
    """Where engines are built for `gpu`. None where nobody tells."""
    if gpu.integrated:
        return _check_shared(machine)
    if gpu.free_mib is None:
        return None
    enough = gpu.free_mib >= GPU_BUILD_MIB
    return Check(
        name="memory to build",
        ok=enough,
        found=f"{gpu.free_mib:,} MiB free on the GPU" + ("" if enough else f", below the {GPU_BUILD_MIB:,} to be safe"),
        remedy="" if enough else "see what fills it with: nvidia-smi, and end that",
    )


def _check_shared(machine: Machine) -> Check | None:
    free = available_mib(machine)
    if free is None:
        return None
    if free >= BUILD_MIB:
        return Check(name="memory to build", ok=True, found=f"{free:,} MiB available, shared with the GPU")
    swap = "" if _meminfo(machine, "SwapTotal") else "; add swap as docs/jetson.md says"
    return Check(
        name="memory to build",
        ok=False,
        found=f"{free:,} MiB available, below the {BUILD_MIB:,} to build an engine safely",
        remedy="close the desktop with: sudo systemctl isolate multi-user.target; cap the builder with: edgeneuro "
        f"build-engine FILE.edge --backend tensorrt --workspace {WORKSPACE_MIB}{swap}",
    )


def check_cache(machine: Machine) -> Check:
    """Engines are executable, so nobody else may write where they are kept."""
    folder = machine.cache
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(nearest, os.W_OK | os.X_OK) or not nearest.is_dir():
        return Check(
            name="cache",
            ok=False,
            found=f"{folder} cannot be written, so engines are built anew at every start",
            remedy="choose a folder of your own: export EDGENEURO_CACHE=~/edgeneuro-cache",
        )
    if machine.system != "win32":
        for path in _folders(folder):
            if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return Check(
                    name="cache",
                    ok=False,
                    found=f"{path} can be written by others, and engines kept there are executable",
                    remedy=f"run: chmod -R go-w {folder}",
                )
    return Check(name="cache", ok=True, found=str(folder))


def _folders(cache: Path) -> list[Path]:
    """The cache and its rooms, as far as they exist."""
    return [path for path in (cache, *sorted(cache.glob("*"))) if path.is_dir()]


def _meminfo(machine: Machine, name: str) -> int | None:
    """MiB."""
    found = re.search(rf"^{name}:\s*(\d+) kB", machine.text("proc/meminfo"), re.MULTILINE)
    return int(found[1]) // 1024 if found else None
