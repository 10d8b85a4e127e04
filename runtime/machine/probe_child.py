"""Child process: `python -m edgeneuro.runtime.machine.probe_child tensorrt|tensorrt_rtx|cuda` prints what it found as JSON."""

from __future__ import annotations

import json
import sys
from importlib import import_module

from edgeneuro.records import to_json
from edgeneuro.runtime.machine.records import Gpu, Probed


def probe_library(name: str) -> Probed:
    """Import it; what goes wrong is the answer: a missing shared library, or bindings made for another NumPy."""
    try:
        return Probed(version=str(import_module(name).__version__))
    except (ImportError, OSError, AttributeError, RuntimeError) as error:
        return Probed(error=f"{type(error).__name__}: {error}")


def probe_cuda() -> Probed:
    """The device that CUDA from Python finds, or why it finds none."""
    from edgeneuro.errors import BackendError
    from edgeneuro.runtime.backends.cuda.open import gpu_missing, open_cuda

    missing = gpu_missing()
    if missing:
        return Probed(error=missing)
    try:
        cuda = open_cuda()
    except BackendError as error:
        return Probed(error=str(error))
    try:
        device = cuda.device()
    except BackendError as error:
        return Probed(error=str(error))
    finally:
        cuda.close()
    gpu = Gpu(
        name=device.name,
        compute_capability=device.compute_capability,
        total_mib=device.total_bytes >> 20,
        free_mib=device.free_bytes >> 20,
        integrated=device.integrated,
    )
    return Probed(version=cuda.name, gpu=gpu)


if __name__ == "__main__":
    print(json.dumps(to_json(probe_cuda() if sys.argv[1] == "cuda" else probe_library(sys.argv[1]))))
