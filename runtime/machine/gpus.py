"""NVIDIA GPUs and their driver, without waking CUDA: NVML, else nvidia-smi, else what the kernel module shows in /proc.

Sources: nvidia-smi(1), "--query-gpu", "--version"; "CUDA Compatibility", Minor Version Compatibility, table 1 (CUDA 13 from
driver 580, 12 from 525, 11 from 450).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from edgeneuro.runtime.machine.machine import Machine
from edgeneuro.runtime.machine.records import Driver, Gpu, major

_FIELDS = ("name", "compute_cap", "memory.total", "memory.free", "driver_version")
_CUDA_FROM_DRIVER = ((580, "13"), (525, "12"), (450, "11"))
_NVIDIA = "0x10de"


def find_gpus(machine: Machine) -> tuple[Driver | None, tuple[Gpu, ...]]:
    """The driver, None where there is none, and its GPUs. For a Jetson ask `board.read_board`."""
    readers: tuple[Callable[[Machine], tuple[Driver, tuple[Gpu, ...]] | None], ...] = (
        lambda asked: asked.nvml(),
        _nvidia_smi,
        _proc,
    )
    for read in readers:
        found = read(machine)
        if found is not None:
            return found
    return None, ()


def driver_of(machine: Machine) -> Driver | None:
    """The driver alone, on a board whose tools tell little of its GPU."""
    return find_gpus(machine)[0]


def silent_card(machine: Machine) -> bool:
    """Whether an NVIDIA display or 3D controller sits on the bus, driver or not."""
    for vendor in machine.paths("sys/bus/pci/devices/*/vendor"):
        device = vendor.parent.relative_to(machine.root)
        if machine.text(f"{device}/vendor") == _NVIDIA and machine.text(f"{device}/class").startswith("0x03"):
            return True
    return False


def _nvidia_smi(machine: Machine) -> tuple[Driver, tuple[Gpu, ...]] | None:
    said = machine.run(("nvidia-smi", f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"))
    rows = [[part.strip() for part in line.split(",")] for line in said.splitlines()]
    rows = [row for row in rows if len(row) == len(_FIELDS)]
    if not rows:
        return None
    version = _known(rows[0][4])
    cuda = re.search(r"CUDA[^:\n]*Version\s*:\s*(\d+\.\d+)", machine.run(("nvidia-smi", "--version")))
    gpus = tuple(
        Gpu(name=name, compute_capability=_known(capability), total_mib=_mib(total), free_mib=_mib(free))
        for name, capability, total, free, _ in rows
    )
    return Driver(version=version, cuda=cuda[1] if cuda else _cuda_of(version)), gpus


def _proc(machine: Machine) -> tuple[Driver, tuple[Gpu, ...]] | None:
    version = re.search(
        r"^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s", machine.text("proc/driver/nvidia/version"), re.MULTILINE
    )
    if version is None:
        return None
    names = []
    for file in machine.paths("proc/driver/nvidia/gpus/*/information"):
        model = re.search(r"^Model:\s*(.+)$", machine.text(str(file.relative_to(machine.root))), re.MULTILINE)
        names.append(model[1].strip() if model else "NVIDIA GPU")
    gpus = tuple(Gpu(name=name, compute_capability="", total_mib=None, free_mib=None) for name in names)
    return Driver(version=version[1], cuda=_cuda_of(version[1])), gpus


def _cuda_of(driver: str) -> str:
    """Major version of the CUDA that a desktop driver serves, by its branch."""
    branch = major(driver) or 0
    return next((cuda for least, cuda in _CUDA_FROM_DRIVER if branch >= least), "")


def _known(value: str) -> str:
    return "" if value.startswith("[") else value  # [N/A], [Not Supported]


def _mib(value: str) -> int | None:
    return int(value) if value.isdigit() else None
