"""Choosing the CUDA library.

cuda-python comes first: it installs as a wheel, speaks the runtime API and captures CUDA graphs. pycuda is for machines
that have it already, as many a Jetson does. $EDGENEURO_CUDA names one of them for a whole process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.cuda import cudart, pycuda_driver
from edgeneuro.runtime.backends.cuda.api import Cuda

VARIABLE = "EDGENEURO_CUDA"


class _Library(NamedTuple):
    """load: raises ImportError where it is missing. device_count: raises BackendError where there is none."""

    load: Callable[[], Any]
    device_count: Callable[[], int]
    open: Callable[[int], Cuda]
    remedy: str


LIBRARIES: Mapping[str, _Library] = {
    "cuda-python": _Library(
        cudart.load,
        cudart.device_count,
        cudart.CudaPython,
        "pip install 'edgeneuro[cuda]' (JetPack 6: pip install 'cuda-bindings<13')",
    ),
    "pycuda": _Library(
        pycuda_driver.load,
        pycuda_driver.device_count,
        pycuda_driver.PyCuda,
        "pip install 'edgeneuro[pycuda]', which compiles it (docs/cuda.md says what that needs)",
    ),
}
"""By the name users give, the better one first."""


def open_cuda(name: str | None = None, device: int = 0) -> Cuda:
    """Open GPU number `device`, bound to this thread.

    name: "cuda-python" or "pycuda"; None takes $EDGENEURO_CUDA, else the first of them that is installed. A library that
    is installed and finds no GPU is refused; the other one is not tried in its place.
    Raises BackendError: unknown name, not installed, no driver, no such GPU.
    """
    return _choose(name).open(device)


def gpu_missing(name: str | None = None) -> str:
    """Why no GPU can be used from Python here, with the remedy; "" where one answers. Makes no context.

    name: as of `open_cuda`.
    """
    try:
        _choose(name).device_count()
    except BackendError as error:
        return str(error)
    return ""


def _choose(name: str | None) -> _Library:
    asked = name or os.environ.get(VARIABLE) or None
    if asked is not None and asked not in LIBRARIES:
        source = "" if name else f" in ${VARIABLE}"
        raise BackendError(f"CUDA: got the library {asked!r}{source}, expected one of {', '.join(LIBRARIES)}")
    missing = []
    for candidate in (asked,) if asked else LIBRARIES:
        library = LIBRARIES[candidate]
        try:
            library.load()
        except ImportError as error:
            missing.append(f"{candidate} cannot be imported ({error}); run: {library.remedy}")
        else:
            return library
    raise BackendError("CUDA: " + "; or ".join(missing))
