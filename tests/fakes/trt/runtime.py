"""Runtime: from bytes to an engine, or to None with a reason in the log."""

from __future__ import annotations

import os
from typing import Any

from tests.fakes.store import gpu, has_gpu
from tests.fakes.trt.engine import Engine
from tests.fakes.trt.objects import Library, Part
from tests.fakes.trt.plan import HEADER_BYTES, Plan, read_header, unpack

NO_DEVICE = (
    "Error reading CUDA GPU properties (cudaError 35: CUDA driver version is insufficient for CUDA runtime version)"
)


class Runtime(Part):
    public_name = "Runtime"

    def __init__(self, library: Library, logger: Any) -> None:
        super().__init__(library)
        self.logger, self._store = logger, gpu()
        self.engine_host_code_allowed = False
        self.DLA_core = -1
        self.num_DLA_cores = int(os.environ.get("EDGENEURO_FAKE_DLA", "0"))
        self.engine_header_size = HEADER_BYTES
        self.max_threads = 1
        self.error_recorder: Any = None
        self.gpu_allocator: Any = None
        self.temporary_directory = ""

    def __del__(self) -> None:
        self._store.releases.append("runtime")

    def deserialize_cuda_engine(self, serialized_engine: Any) -> Engine | None:
        content = bytes(serialized_engine)
        if has_gpu():
            gpu().counts["deserialize"] += 1
        reason = self._refusal(content)
        plan = None if reason else unpack(content)
        if plan is None:
            text = f"IRuntime::deserializeCudaEngine: Error Code 1: Serialization ({reason or 'the plan is damaged'})"
            self.library.log(self.logger, "ERROR", text)
            return None
        if plan.gpu[0] and plan.gpu[0] != gpu().settings["name"]:
            text = "Using an engine plan file across different models of devices is not recommended."
            self.library.log(self.logger, "WARNING", text)
        return Engine(self.library, self.logger, plan, self)

    def _refusal(self, content: bytes) -> str:
        """Why the engine does not fit here; empty where it does."""
        header = read_header(content)
        if not has_gpu():
            return NO_DEVICE
        if header is None or header[0] != self.library.flavour:
            return "Serialization assertion plan->header.magicTag == kPLAN_MAGIC_TAG failed."
        plan = unpack(content)
        if plan is None:
            return "the plan is damaged"
        return self._wrong_version(plan) or _wrong_device(plan)

    def _wrong_version(self, plan: Plan) -> str:
        compatible = "VERSION_COMPATIBLE" in plan.flags
        if plan.version != self.library.version:
            newer = _numbers(self.library.version) > _numbers(plan.version)
            if not (compatible and newer):
                return f"Version tag does not match. Note: Current Version: {self.library.version}, Serialized Engine Version: {plan.version}"
        if compatible and "EXCLUDE_LEAN_RUNTIME" not in plan.flags and not self.engine_host_code_allowed:
            return "Cannot deserialize a plan that contains host code while engine_host_code_allowed is False"
        return ""

    # --- TensorRT-RTX

    def get_engine_validity(self, buffer: Any) -> tuple[Any, int]:
        """From the header alone, which cannot show a plan that was tampered with."""
        validity, bits = self.library.enums["EngineValidity"], self.library.enums["EngineInvalidityDiagnostics"]
        header = read_header(bytes(buffer))
        if not has_gpu():
            self.library.log(self.logger, "INTERNAL_ERROR", NO_DEVICE)
            return validity.INVALID, 0
        if header is None or header[0] != self.library.flavour:
            return validity.INVALID, int(bits.MALFORMED_ENGINE)
        if header[1] != self.library.version:
            return validity.INVALID, int(bits.VERSION_MISMATCH)
        return validity.VALID, 0


def _wrong_device(plan: Plan) -> str:
    here = str(gpu().settings["compute_capability"])
    if plan.capabilities:
        fits = "SM" + here.replace(".", "") in plan.capabilities
    elif plan.hardware == "AMPERE_PLUS":
        fits = float(here) >= 8.0
    else:
        fits = plan.gpu[1] == here
    built = ", ".join(plan.capabilities) or plan.gpu[1]
    return "" if fits else f"The engine plan file was generated for compute capability {built}, this device has {here}."


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
