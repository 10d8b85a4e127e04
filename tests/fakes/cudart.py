"""What cuda.bindings.runtime offers, over the fake GPU. Every function returns (error, ...), as the real ones do."""

from __future__ import annotations

import threading
from enum import IntEnum
from typing import Any

from tests.fakes import work
from tests.fakes.guard import listing
from tests.fakes.memory import Block, CudaError
from tests.fakes.store import Store, gpu, has_driver

LIST = "cuda-runtime-13.5.0"
NON_BLOCKING = 0x1
MAPPED = 0x2
DIRECTIONS: dict[int, work.Direction] = {0: "on_host", 1: "to_device", 2: "to_host", 3: "on_device"}


class Handle:
    """A stream, event or graph: a number that only its own class may carry."""

    def __init__(self, value: int = 0) -> None:
        self._value = int(value)

    def __int__(self) -> int:
        return self._value

    def getPtr(self) -> int:
        raise NotImplementedError("the fake CUDA has no structures behind its handles")


class Properties:
    """cudaDeviceProp, with the fields that the fake knows."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        known = listing(LIST)["classes"]["cudaDeviceProp"]["members"]
        if name in known:
            raise NotImplementedError(f"the fake CUDA does not do cudaDeviceProp.{name}")
        raise AttributeError(f"'cuda.bindings.runtime.cudaDeviceProp' object has no attribute '{name}'")


class Runtime:
    """One method for each function; a CudaError becomes its code. Without a GPU everything says so."""

    def __init__(self, enums: dict[str, type[IntEnum]]) -> None:
        self._enums = enums

    # --- device

    def cudaSetDevice(self, device: int) -> None:
        self._device(device)
        gpu().bound.add(threading.get_ident())

    def cudaGetDevice(self) -> int:
        return 0

    def cudaGetDeviceCount(self) -> int:
        return 1

    def cudaDeviceSynchronize(self) -> None:
        for handle in (0, *gpu().streams):
            gpu().synchronize(handle)

    def cudaDriverGetVersion(self) -> int:
        return int(gpu().settings["driver"]) if has_driver() else 0

    def cudaRuntimeGetVersion(self) -> int:
        return int(gpu().settings["runtime"])

    def cudaMemGetInfo(self) -> tuple[int, int]:
        return gpu().free_bytes, int(gpu().settings["total_bytes"])

    def cudaGetDeviceProperties(self, device: int) -> Properties:
        settings = self._device(device)
        major, minor = map(int, settings["compute_capability"].split("."))
        return Properties(
            name=settings["name"].encode(),
            major=major,
            minor=minor,
            multiProcessorCount=settings["multiprocessors"],
            totalGlobalMem=settings["total_bytes"],
            integrated=int(settings["integrated"]),
            canMapHostMemory=1,
            unifiedAddressing=1,
        )

    def cudaDeviceGetAttribute(self, attr: int, device: int) -> int:
        settings = self._device(device)
        major, minor = map(int, settings["compute_capability"].split("."))
        known = {
            "cudaDevAttrComputeCapabilityMajor": major,
            "cudaDevAttrComputeCapabilityMinor": minor,
            "cudaDevAttrMultiProcessorCount": settings["multiprocessors"],
            "cudaDevAttrIntegrated": int(settings["integrated"]),
            "cudaDevAttrCanMapHostMemory": 1,
            "cudaDevAttrUnifiedAddressing": 1,
        }
        name = self._enums["cudaDeviceAttr"](attr).name
        if name not in known:
            raise NotImplementedError(f"the fake CUDA does not do {name}")
        return int(known[name])

    # --- memory

    def cudaMalloc(self, size: int) -> int:
        return self._used().allocate(size, "device").address

    def cudaFree(self, devPtr: int) -> None:
        if int(devPtr):
            self._used().free(int(devPtr), "device")

    def cudaHostAlloc(self, size: int, flags: int) -> int:
        return self._used().allocate(size, "host", mapped=bool(flags & MAPPED)).address

    def cudaMallocHost(self, size: int) -> int:
        return self.cudaHostAlloc(size, 0)

    def cudaFreeHost(self, ptr: int) -> None:
        self._used().free(int(ptr), "host")

    def cudaHostGetDevicePointer(self, pHost: int, flags: int) -> int:
        block: Block | None = gpu().block(int(pHost), 1)
        if block is None or not block.mapped:
            raise CudaError("cudaErrorInvalidValue")
        return int(pHost)

    def cudaMemcpy(self, dst: int, src: int, count: int, kind: int) -> None:
        work.copy(self._used(), int(dst), int(src), count, DIRECTIONS[int(kind)], None)

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, kind: int, stream: Any) -> None:
        work.copy(self._used(), int(dst), int(src), count, DIRECTIONS[int(kind)], int(stream))

    # --- streams and events

    def cudaStreamCreate(self) -> int:
        return self._used().create_stream(waits_for_default=True).handle

    def cudaStreamCreateWithFlags(self, flags: int) -> int:
        return self._used().create_stream(waits_for_default=not flags & NON_BLOCKING).handle

    def cudaStreamCreateWithPriority(self, flags: int, priority: int) -> int:
        return self.cudaStreamCreateWithFlags(flags)

    def cudaStreamDestroy(self, stream: Any) -> None:
        self._used().destroy_stream(int(stream))

    def cudaStreamSynchronize(self, stream: Any) -> None:
        self._used().synchronize(int(stream))

    def cudaStreamQuery(self, stream: Any) -> None:
        if gpu().stream(int(stream)).queue:
            raise CudaError("cudaErrorNotReady")

    def cudaStreamWaitEvent(self, stream: Any, event: Any, flags: int) -> None:
        waited = gpu().event(int(event))
        self._used().enqueue(int(stream), lambda: gpu().wait_event(waited))

    def cudaEventCreate(self) -> int:
        return self._used().create_event().handle

    def cudaEventCreateWithFlags(self, flags: int) -> int:
        return self.cudaEventCreate()

    def cudaEventDestroy(self, event: Any) -> None:
        gpu().event(int(event))
        del gpu().events[int(event)]
        gpu().releases.append("event")

    def cudaEventRecord(self, event: Any, stream: Any) -> None:
        self._used().record(gpu().event(int(event)), int(stream))

    def cudaEventSynchronize(self, event: Any) -> None:
        self._used().wait_event(gpu().event(int(event)))

    def cudaEventQuery(self, event: Any) -> None:
        if not gpu().event(int(event)).done:
            raise CudaError("cudaErrorNotReady")

    def cudaEventElapsedTime(self, start: Any, end: Any) -> float:
        first, last = gpu().event(int(start)), gpu().event(int(end))
        if first.stream is None or last.stream is None:
            raise CudaError("cudaErrorInvalidResourceHandle")
        if not (first.done and last.done):
            raise CudaError("cudaErrorNotReady")
        return 1000.0 * (last.seconds - first.seconds)

    # --- graphs

    def cudaStreamBeginCapture(self, stream: Any, mode: int) -> None:
        relaxed = int(mode) == self._enums["cudaStreamCaptureMode"]["cudaStreamCaptureModeRelaxed"]
        work.begin_capture(self._used(), int(stream), relaxed=relaxed)

    def cudaStreamEndCapture(self, stream: Any) -> int:
        return work.end_capture(self._used(), int(stream))

    def cudaStreamIsCapturing(self, stream: Any) -> IntEnum:
        capture = gpu().stream(int(stream)).capture
        word = "None" if capture is None else "Active" if capture.valid else "Invalidated"
        return self._enums["cudaStreamCaptureStatus"][f"cudaStreamCaptureStatus{word}"]

    def cudaGraphInstantiate(self, graph: Any, flags: int) -> int:
        return work.instantiate(self._used(), int(graph))

    def cudaGraphInstantiateWithFlags(self, graph: Any, flags: int) -> int:
        return work.instantiate(self._used(), int(graph))

    def cudaGraphLaunch(self, graphExec: Any, stream: Any) -> None:
        work.launch(self._used(), int(graphExec), int(stream))

    def cudaGraphDestroy(self, graph: Any) -> None:
        self._drop(gpu().graphs, int(graph), "graph")

    def cudaGraphExecDestroy(self, graphExec: Any) -> None:
        self._drop(gpu().executables, int(graphExec), "executable")

    # --- errors

    def cudaGetLastError(self) -> None:
        return None

    def cudaPeekAtLastError(self) -> None:
        return None

    def cudaGetErrorName(self, error: int) -> bytes:
        return self._enums["cudaError_t"](error).name.encode()

    def cudaGetErrorString(self, error: int) -> bytes:
        return f"the fake CUDA's words for {self._enums['cudaError_t'](error).name}".encode()

    def _device(self, device: int) -> dict[str, Any]:
        if device != 0:
            raise CudaError("cudaErrorInvalidDevice")
        return gpu().settings

    def _used(self) -> Store:
        gpu().touch()
        return gpu()

    def _drop(self, held: dict[int, Any], handle: int, kind: str) -> None:
        if held.pop(handle, None) is None:
            gpu().problem(f"{kind} {handle:#x} destroyed twice, or never made")
            raise CudaError("cudaErrorInvalidValue")
        gpu().releases.append(kind)
