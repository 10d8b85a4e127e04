"""A backend of this package over the fake libraries and the fake GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeneuro.runtime.backends.tensorrt import TensorRtBackend
from edgeneuro.runtime.backends.tensorrt_rtx import TensorRtRtxBackend
from edgeneuro.runtime.backends.trt import cache
from edgeneuro.runtime.backends.trt.build import Job, build_here
from edgeneuro.runtime.backends.trt.execute import GpuBackend
from edgeneuro.runtime.backends.trt.library import open_library
from edgeneuro.runtime.backends.trt.records import BuildSettings, BuiltEngine, Flavour
from edgeneuro.spec import Array
from tests.fakes.use import CudaLibrary, FakeGpu, fake_gpu
from tests.runtime.bundles import SIDE, tiny_onnx

BATCH = BuildSettings(max_batch=4)


@dataclass(frozen=True)
class Setup:
    """A library and its backend on the fake GPU of this test."""

    gpu: FakeGpu
    backend: type[GpuBackend]

    def open(self, model: bytes | None = None, **options: Any) -> GpuBackend:
        return self.backend(tiny_onnx() if model is None else model, **options)

    @property
    def rtx(self) -> bool:
        return self.backend.flavour == "tensorrt-rtx"


def build_in_this_process(
    model: bytes, flavour: Flavour, settings: BuildSettings, *, timing_cache: bytes, progress: Callable[[str], None]
) -> BuiltEngine:
    """As `builder.build`, without the seconds that a process of its own takes."""
    if flavour == "tensorrt-rtx":
        settings = replace(settings, compute_capabilities=settings.compute_capabilities or ("8.9",))
    return build_here(Job(model=model, settings=settings, timing_cache=timing_cache), open_library(flavour), progress)


def set_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, cuda: CudaLibrary = "cuda-python", **gpu: Any
) -> Setup:
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EDGENEURO_CUDA", cuda)
    names: dict[str, Any] = {"rtx": "1.7.1"} if version == "rtx" else {"tensorrt": version}
    gpu = {"integrated": False, "compute_capability": "8.9", **gpu}
    monkeypatch.setattr(cache, "build", build_in_this_process)
    fake = fake_gpu(monkeypatch, cuda=cuda, **names, **gpu)
    return Setup(fake, TensorRtRtxBackend if version == "rtx" else TensorRtBackend)


def frames(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((count, 1, SIDE, SIDE), np.float32)
