"""TensorRT 10 and 11."""

from __future__ import annotations

from edgeneuro.runtime.backends.trt.execute import GpuBackend


class TensorRtBackend(GpuBackend):
    """A graph run by TensorRT, as `GpuBackend` says."""

    flavour = "tensorrt"
