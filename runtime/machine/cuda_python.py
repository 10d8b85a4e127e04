"""CUDA from Python: the library, whether it fits the driver, and what it finds.

Source of the fit: "CUDA Compatibility", Minor Version Compatibility: a program made for CUDA N.x runs on every driver that
serves CUDA N or newer.
"""

from __future__ import annotations

import json
import re

from edgeneuro.runtime.machine.board import generation
from edgeneuro.runtime.machine.machine import Machine
from edgeneuro.runtime.machine.records import Board, Check, Driver, Probed, major

NAME = "CUDA from Python"
LEAST_CUDA = 12
"""Of the driver: what TensorRT 10.3 and newer are made for."""
_CUDA_OF_JETPACK = {6: 12, 7: 13}


def check_driver(driver: Driver | None, gpu_count: int, *, silent: bool, container: bool, board: bool) -> Check | None:
    """None where there is nothing to say: no driver and no card. silent: an NVIDIA card sits on the bus. container: this runs
    in one. board: a Jetson, whose driver comes with JetPack."""
    if driver is None and not silent:
        return None
    if driver is None:
        remedy = (
            "start the container with: docker run --gpus all ..."
            if container
            else "install NVIDIA's driver, on Ubuntu with: sudo ubuntu-drivers install, and restart"
        )
        return Check(name="driver", ok=False, found="an NVIDIA card is there, but no driver answers", remedy=remedy)
    cuda = f", serves CUDA {driver.cuda}" if driver.cuda else ""
    found = f"{driver.version or 'version unknown'}{cuda}"
    if not gpu_count:
        return Check(
            name="driver", ok=False, found=f"{found}, but shows no GPU", remedy="restart, then run: nvidia-smi"
        )
    old = not board and driver.cuda != "" and (major(driver.cuda) or 0) < LEAST_CUDA
    remedy = "install NVIDIA driver 580 or newer, on Ubuntu with: sudo ubuntu-drivers install" if old else ""
    return Check(
        name="driver", ok=not old, found=f"{found}, TensorRT needs CUDA {LEAST_CUDA}" if old else found, remedy=remedy
    )


def toolkit_version(machine: Machine) -> str:
    """Of the CUDA toolkit in /usr/local/cuda, "" where there is none; only pycuda needs it, to be built."""
    text = machine.text("usr/local/cuda/version.json")
    try:
        return str(json.loads(text)["cuda"]["version"])
    except (ValueError, KeyError, TypeError):
        found = re.search(r"CUDA Version ([\d.]+)", machine.text("usr/local/cuda/version.txt"))
        return found[1] if found else ""


def check_cuda(machine: Machine, driver: Driver | None, board: Board | None) -> tuple[Check, Probed]:
    """For a machine that has a GPU; the second says which device Python finds."""
    versions = dict(machine.distributions("cuda-bindings", "pycuda"))
    libraries = [
        f"{library} {versions.get(library, '')}".strip()
        for library, module in (("cuda-bindings", "cuda.bindings"), ("pycuda", "pycuda"))
        if machine.has_module(module)
    ]
    serves = _serves(driver, board)
    if not libraries:
        return _failed("neither cuda-python nor pycuda is installed", install(serves)), Probed(error="missing")
    made_for = major(versions.get("cuda-bindings", ""))
    if serves and made_for and made_for > serves and not machine.has_module("pycuda"):
        found = f"cuda-bindings {versions['cuda-bindings']} needs CUDA {made_for}, the driver serves {driver and driver.cuda}"
        return _failed(found, f"run: pip install 'cuda-bindings<{serves + 1}'"), Probed(error=found)
    probed = machine.probe("cuda")
    if probed.error:
        reason, _, remedy = probed.error.partition("; ")
        return _failed(f"{', '.join(libraries)}: {reason}", remedy or install(serves)), probed
    toolkit = toolkit_version(machine)
    found = f"{', '.join(libraries)}; the GPU answers through {probed.version}" + (
        f"; toolkit {toolkit}" if toolkit else ""
    )
    return Check(name=NAME, ok=True, found=found), probed


def install(serves: int | None) -> str:
    """How to install the library. serves: major version of the driver's CUDA, None where unknown."""
    if serves == 12:
        return "run: pip install 'cuda-bindings>=12.6,<13'"
    return "run: pip install 'edgeneuro[cuda]'"


def _serves(driver: Driver | None, board: Board | None) -> int | None:
    """Major version of the driver's CUDA; where the driver does not tell, that of the JetPack."""
    told = major(driver.cuda) if driver else None
    return told or _CUDA_OF_JETPACK.get(generation(board) or 0 if board else 0)


def _failed(found: str, remedy: str) -> Check:
    return Check(name=NAME, ok=False, found=found, remedy=remedy)
