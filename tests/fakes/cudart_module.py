"""The module cuda.bindings.runtime, as its list says."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from tests.fakes.cudart import LIST, Handle, Runtime
from tests.fakes.guard import PLAIN_KINDS, Guard, listing
from tests.fakes.memory import CudaError
from tests.fakes.store import gpu, has_gpu

RETURNS = {
    "cudaStreamCreate": "cudaStream_t",
    "cudaStreamCreateWithFlags": "cudaStream_t",
    "cudaStreamCreateWithPriority": "cudaStream_t",
    "cudaEventCreate": "cudaEvent_t",
    "cudaEventCreateWithFlags": "cudaEvent_t",
    "cudaStreamEndCapture": "cudaGraph_t",
    "cudaGraphInstantiate": "cudaGraphExec_t",
    "cudaGraphInstantiateWithFlags": "cudaGraphExec_t",
}
TYPED = {"kind": "cudaMemcpyKind", "mode": "cudaStreamCaptureMode", "attr": "cudaDeviceAttr", "error": "cudaError_t"}
NEEDS_NO_DEVICE: tuple[str, ...] = ("cudaGetErrorName", "cudaGetErrorString", "cudaGetLastError", "cudaPeekAtLastError")
NEEDS_NO_DEVICE += ("cudaRuntimeGetVersion", "cudaDriverGetVersion")


def fill(namespace: dict[str, Any], name: str = LIST) -> None:
    """Put into `namespace` what the list has."""
    guard = Guard("cuda.bindings.runtime", listing(name), {**PLAIN_KINDS})
    listed = guard.listed
    enums: dict[str, Any] = {
        key: IntEnum(key, members, module="cuda.bindings.runtime") for key, members in listed["enums"].items()
    }
    namespace.update(enums)
    for key in listed["classes"]:
        namespace[key] = type(key, (Handle,), {"__module__": "cuda.bindings.runtime"})
    runtime = Runtime(enums)
    for key, text in listed["functions"].items():
        namespace[key] = _function(guard, key, text, runtime, namespace)
    namespace.update(listed["values"])


def _outputs(function: Callable[..., Any]) -> int:
    """How many values follow the error code."""
    returned = str(inspect.signature(function).return_annotation)
    return 0 if returned == "None" else returned.count(",") + 1


def _function(guard: Guard, name: str, text: str, runtime: Runtime, namespace: dict[str, Any]) -> Callable[..., Any]:
    done = getattr(runtime, name, None)
    outputs = 0 if done is None else _outputs(done)

    @functools.wraps(done or _function)
    def call(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        bound = guard.bind(name, text, args, kwargs)
        if done is None or bound is None:
            raise NotImplementedError(guard.undone(name))
        for key, kind in TYPED.items():
            if key in bound and not isinstance(bound[key], namespace[kind]):
                raise TypeError(
                    f"Argument '{key}' has incorrect type (expected {kind}, got {type(bound[key]).__name__})"
                )
        codes = namespace["cudaError_t"]
        if name not in NEEDS_NO_DEVICE and not has_gpu():
            return codes[os.environ.get("EDGENEURO_FAKE_GPU_ERROR", "cudaErrorNoDevice")], *([None] * outputs)
        try:
            gpu().counts[name] += 1
            result = done(**bound)
        except CudaError as error:
            return codes[error.name], *([None] * outputs)
        if name in RETURNS:
            result = namespace[RETURNS[name]](result)
        if isinstance(result, tuple):
            return codes.cudaSuccess, *result
        return (codes.cudaSuccess, result) if outputs else (codes.cudaSuccess,)

    return call
