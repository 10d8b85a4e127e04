"""TensorRT-RTX."""

from __future__ import annotations

from edgeneuro.runtime.backends.trt.execute import GpuBackend


class TensorRtRtxBackend(GpuBackend):
    """A graph run by TensorRT-RTX, as `GpuBackend` says."""

    flavour = "tensorrt-rtx"
