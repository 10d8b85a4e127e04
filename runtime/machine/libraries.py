"""TensorRT and TensorRT-RTX: which is here, whether Python can use it, and how to get there.

Sources: TensorRT Installation Guide (python3-libnvinfer; wheels tensorrt_cu12, tensorrt_cu13 with their _libs and _bindings);
TensorRT-RTX Support Matrix and the ComputeCapability enum of 1.7.1 (RTX_TARGETS); venv of Python's library reference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeneuro.runtime.machine.machine import Machine
from edgeneuro.runtime.machine.records import Check, Driver, Probed, major

RTX_TARGETS = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
"""Compute capabilities that TensorRT-RTX makes kernels for: no Orin (8.7), Hopper (9.0) or Thor (11.0)."""
LEAST = (10, 3)
_GUIDE = "and install edgeneuro there as docs/jetson.md says"


@dataclass(frozen=True, kw_only=True)
class Library:
    """One flavour of TensorRT, for Python. module: its name there. wheel: beginning of its wheels' names."""

    name: str
    module: str
    wheel: str


TENSORRT = Library(name="TensorRT", module="tensorrt", wheel="tensorrt")
RTX = Library(name="TensorRT-RTX", module="tensorrt_rtx", wheel="tensorrt_rtx")


def probe_library(machine: Machine, library: Library) -> Probed | None:
    """What a fresh process says of it, None where it is not installed."""
    return machine.probe(library.module) if machine.has_module(library.module) else None


def works(probed: Probed | None) -> bool:
    """Whether it can be imported."""
    return probed is not None and not probed.error


def check_installed(machine: Machine, library: Library, probed: Probed, driver: Driver | None) -> Check:
    """Of an installed flavour: it can be imported, is new enough, and its wheel is made for the driver's CUDA."""
    if probed.error:
        return _broken(machine, library, probed.error)
    if library is TENSORRT and _numbers(probed.version) < LEAST:
        least = ".".join(map(str, LEAST))
        return _failed(library, f"{probed.version} is too old, expected {least} or newer", "see docs/jetson.md")
    serves = major(driver.cuda) if driver else None
    made_for = _made_for(machine, library)
    if serves and made_for and made_for > serves:
        names = [f"{library.wheel}_cu{made_for}{part}" for part in ("", "_bindings", "_libs")]
        found = f"{probed.version} is made for CUDA {made_for}, the driver serves {driver and driver.cuda}"
        swap = f"pip uninstall -y {library.wheel} {' '.join(names)}; pip install {library.wheel}_cu{serves}"
        return _failed(library, found, f"install NVIDIA driver 580 or newer, or run: {swap}")
    return Check(name=library.name, ok=True, found=probed.version)


def check_system_bindings(machine: Machine) -> Check | None:
    """Where JetPack or Debian installed TensorRT for Python, but this Python does not see it; None where they did not."""
    installed = {}
    for folder in machine.paths("usr/lib/python3.*/dist-packages/tensorrt"):
        found = re.search(r"python3\.(\d+)", str(folder.relative_to(machine.root)))
        if found:
            installed[3, int(found[1])] = folder
    if not installed:
        return None
    ours = ".".join(map(str, machine.python))
    if machine.python not in installed:
        (theirs, *_) = sorted(installed, reverse=True)
        number = ".".join(map(str, theirs))
        return _failed(
            TENSORRT,
            f"the system's bindings are for Python {number}, this is Python {ours}",
            f"run: /usr/bin/python{number} -m venv --system-site-packages .venv{number.replace('.', '')}, {_GUIDE}",
        )
    why = "this virtual environment is closed to them" if machine.closed_venv() else "this Python is another one"
    return _failed(
        TENSORRT,
        f"the system has bindings for Python {ours}, but {why}",
        f"run: /usr/bin/python{ours} -m venv --system-site-packages .venv, {_GUIDE}",
    )


def system_libraries(machine: Machine) -> tuple[str, ...]:
    """Names of TensorRT's libraries in the system's folders, e.g. "libnvinfer.so.10"."""
    names = (path.name for path in machine.paths("usr/lib/*-linux-gnu/libnvinfer.so.*"))
    return tuple(name for name in names if re.fullmatch(r"libnvinfer\.so\.\d+", name))


def _broken(machine: Machine, library: Library, error: str) -> Check:
    found = f"is installed but cannot be imported ({error})"
    if re.search(r"NumPy 1\.x|numpy\.core\.multiarray|_ARRAY_API", error):
        return _failed(library, found, "run: pip install 'numpy<2'")
    if "nvdla" in error:  # JetPack's TensorRT needs a library that the container gets from the board
        return _failed(library, found, "start the container with: docker run --runtime nvidia ...")
    missing = re.search(r"(libnv\w+)\.so\S*: cannot open", error)
    if missing:
        return _failed(library, f"is installed, but its library {missing[1]} is missing", _libraries(machine, library))
    if "libcuda.so" in error:
        return _failed(
            library, found, "install NVIDIA's driver; in a container, start it with: docker run --gpus all ..."
        )
    return _failed(library, found, f'run: python -c "import {library.module}" to see the whole error')


def _libraries(machine: Machine, library: Library) -> str:
    """How to install the shared libraries that the bindings found are made for."""
    for number in (13, 12):
        for name, version in machine.distributions(f"{library.wheel}_cu{number}_bindings"):
            return f"run: pip install {name.removesuffix('_bindings')}_libs=={version}"
    return "run: sudo apt install --reinstall python3-libnvinfer"


def _made_for(machine: Machine, library: Library) -> int | None:
    """Major version of CUDA in the name of the wheel, None for what did not come as one."""
    for number in (13, 12):
        if any(machine.distributions(f"{library.wheel}_cu{number}", f"{library.wheel}_cu{number}_bindings")):
            return number
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _failed(library: Library, found: str, remedy: str) -> Check:
    return Check(name=library.name, ok=False, found=found, remedy=remedy)
