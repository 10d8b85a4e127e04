"""TensorRT-RTX compiles an engine's kernels when it first runs; they are kept for the next start.

The library checks by itself that they are of its version, this GPU and this driver ("Working with Runtime Cache",
TensorRT-RTX documentation). They are code, so they lie in the vault. Whatever goes wrong costs the time of compiling
again and nothing else.
"""

from __future__ import annotations

import logging
from typing import Any

from edgeneuro.runtime.backends.common import first_line
from edgeneuro.runtime.backends.trt.vault import Vault

log = logging.getLogger("edgeneuro")

WARM_UP_RUNS = 3
"""Frames after which the kernels are kept for the first time: most are compiled by then."""


class KernelCache:
    """Of one loaded engine. config: IRuntimeConfig that every execution context is made with, None once released. name: of
    the engine; kernels are code, so those of one engine are never given to another.

    graphs: let the library capture CUDA graphs of its own, where it can.
    """

    def __init__(self, engine: Any, module: Any, vault: Vault, name: str, *, graphs: bool) -> None:
        self.config: Any = engine.create_runtime_config()
        self._vault, self._name = vault, f"tensorrt-rtx-{name}.kernels"
        self._runs, self._warm, self._kept_bytes = 0, False, 0
        if graphs and hasattr(self.config, "cuda_graph_strategy"):
            self.config.cuda_graph_strategy = module.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        self._cache: Any = self.config.create_runtime_cache()
        self._load()
        self.config.set_runtime_cache(self._cache)

    def ran(self, *, idle: bool) -> None:
        """Call after every frame, by one thread at a time: the first after the warm-up keeps what was compiled.

        idle: no other frame is on its way; whether the library may compile while it is asked is not documented.
        """
        self._runs += 1
        if not self._warm and idle and self._runs >= WARM_UP_RUNS:
            self._warm = True
            self._keep()

    def close(self) -> None:
        """Keep what was compiled since, and let go of the library's objects; after the contexts, before the engine."""
        if self._cache is not None:
            self._keep()
        self._cache = self.config = None

    def _load(self) -> None:
        payload, refused = self._vault.read(self._name)
        if refused:
            log.warning("tensorrt-rtx: the cached kernels are refused (%s); they are compiled again", refused)
        if payload is None:
            return
        try:
            fits = self._cache.deserialize(bytes(payload))
        except Exception as error:  # noqa: BLE001  (the library's errors share no base class)
            log.info("tensorrt-rtx: the cached kernels cannot be read (%s)", first_line(error))
            return
        if fits:
            self._kept_bytes = len(payload)
        else:
            log.info("tensorrt-rtx: the cached kernels are for another version, GPU or driver; they are compiled again")

    def _keep(self) -> None:
        try:
            kernels = bytes(self._cache.serialize())
        except Exception as error:  # noqa: BLE001  (as above; the frame was computed)
            log.info("tensorrt-rtx: the compiled kernels are not kept (%s)", first_line(error))
            return
        if len(kernels) <= self._kept_bytes:
            return
        if unkept := self._vault.write(self._name, kernels):
            log.info("tensorrt-rtx: the compiled kernels are not kept (%s)", unkept)
            return
        self._kept_bytes = len(kernels)
