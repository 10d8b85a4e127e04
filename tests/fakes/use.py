"""Puts the fakes in place for one test: `gpu = fake_gpu(monkeypatch, tensorrt="10.3.0")`."""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.fakes import pycuda_driver, store

MODULES = Path(__file__).parent / "modules"
ROOT = Path(__file__).parents[2]
LIBRARIES = ("tensorrt", "tensorrt_rtx", "tensorrt_bindings", "tensorrt_rtx_bindings", "cuda", "pycuda")
TensorRt = Literal["10.3.0", "10.16.1", "11.4.0"]
CudaLibrary = Literal["cuda-python", "pycuda"]


@dataclass(frozen=True)
class FakeGpu:
    """What a test can ask of the fake GPU of this process; child processes have their own. `store.Store` explains the
    words."""

    @property
    def store(self) -> store.Store:
        return store.gpu()

    @property
    def counts(self) -> dict[str, int]:
        return dict(store.gpu().counts)

    @property
    def live(self) -> dict[str, int]:
        """Kind -> allocations and objects not given back; empty when all of it was."""
        return store.gpu().live

    @property
    def releases(self) -> list[str]:
        """Kinds in the order of their release: "context", "engine", "runtime", "device", "host", "stream", ..."""
        return store.gpu().releases

    @property
    def problems(self) -> list[str]:
        """What a real GPU would not have forgiven, in words."""
        return store.gpu().problems + pycuda_driver.abandoned()

    def reset(self) -> None:
        """Forget everything; what was made before means nothing afterwards."""
        store.reset()


def fake_gpu(
    monkeypatch: pytest.MonkeyPatch,
    *,
    tensorrt: TensorRt | None = None,
    rtx: Literal["1.7.1"] | None = None,
    cuda: CudaLibrary | None = "cuda-python",
    dla_cores: int = 0,
    **gpu: Any,
) -> FakeGpu:
    """The named libraries as fakes, the others absent, here and in child processes that keep the environment.

    gpu: over store.DEFAULT_GPU, e.g. compute_capability="8.6", captures=False, integrated=False.
    Everything is put back after the test.
    """
    monkeypatch.setenv("EDGENEURO_FAKE_GPU", json.dumps(gpu))
    monkeypatch.setenv("EDGENEURO_FAKE_DLA", str(dla_cores))
    _place(monkeypatch, tensorrt, rtx, cuda)
    pycuda_driver.forget()
    store.reset()
    return FakeGpu()


def no_gpu(
    monkeypatch: pytest.MonkeyPatch,
    *,
    tensorrt: TensorRt | None = None,
    rtx: Literal["1.7.1"] | None = None,
    cuda: CudaLibrary | None = "cuda-python",
    error: str = "cudaErrorNoDevice",
) -> None:
    """The libraries without a GPU. error: what every CUDA call answers; "cudaErrorInsufficientDriver" is what CUDA says
    where no driver is installed."""
    monkeypatch.setenv("EDGENEURO_FAKE_GPU", "none")
    monkeypatch.setenv("EDGENEURO_FAKE_GPU_ERROR", error)
    store.reset()
    _place(monkeypatch, tensorrt, rtx, cuda)


def _place(monkeypatch: pytest.MonkeyPatch, tensorrt: str | None, rtx: str | None, cuda: str | None) -> None:
    for name, value in {"TENSORRT": tensorrt, "RTX": rtx, "CUDA": cuda}.items():
        monkeypatch.setenv(f"EDGENEURO_FAKE_{name}", value or "")
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(MODULES), str(ROOT), before])))
    monkeypatch.syspath_prepend(str(MODULES))
    for name in [name for name in sys.modules if name.split(".")[0] in LIBRARIES]:
        monkeypatch.delitem(sys.modules, name)
    present = {"tensorrt": tensorrt, "tensorrt_rtx": rtx, "pycuda": cuda == "pycuda", "cuda": cuda == "cuda-python"}
    for name, chosen in present.items():
        if not chosen:
            monkeypatch.setitem(sys.modules, name, None)
    wanted = [n for n in ("tensorrt", "tensorrt_rtx") if present[n]]
    wanted += ["pycuda.driver"] if cuda == "pycuda" else ["cuda.bindings.runtime"] if cuda else []
    for name in wanted:
        with suppress(ImportError):  # pycuda without a driver
            importlib.import_module(name)
    for name in [name for name in sys.modules if name.split(".")[0] in LIBRARIES]:
        monkeypatch.setitem(sys.modules, name, sys.modules.pop(name))
