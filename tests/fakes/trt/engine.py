"""Loaded engines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tests.fakes.store import gpu
from tests.fakes.trt import inspect
from tests.fakes.trt.objects import Library, Part
from tests.fakes.trt.plan import Plan, TensorInfo, pack
from tests.fakes.trt.values import Dims, HostMemory

SCRATCH_BYTES = 1 << 20
"""Device memory of an execution context."""
NUMPY = {"FLOAT": "f4", "HALF": "f2", "INT8": "i1", "UINT8": "u1", "INT32": "i4", "INT64": "i8", "BOOL": "?"}
RUNTIME_CACHE = b"FAKEKERNELS"


class Engine(Part):
    """Runs the ONNX graph that it was built from with ONNX Runtime. It keeps its runtime alive, and a context keeps it."""

    public_name = "ICudaEngine"

    def __init__(self, library: Library, logger: Any, plan: Plan, runtime: Any) -> None:
        super().__init__(library)
        self.logger, self.plan, self._runtime = logger, plan, runtime
        self.name = "Unnamed Network 0"
        self.num_io_tensors = len(plan.tensors)
        self.num_layers = len(plan.layers)
        self.num_optimization_profiles = len(plan.profiles)
        self.refittable = "REFIT" in plan.flags
        self.device_memory_size = self.device_memory_size_v2 = SCRATCH_BYTES
        self.has_implicit_batch_dimension = False
        self.num_aux_streams = 0
        self.streamable_weights_size = 0
        self.weight_streaming_budget = self.weight_streaming_budget_v2 = 0
        member = library.enums.member
        self.hardware_compatibility_level = member("HardwareCompatibilityLevel", plan.hardware)
        self.profiling_verbosity = member("ProfilingVerbosity", plan.verbosity)
        self.engine_capability = member("EngineCapability", "STANDARD")
        self.error_recorder: Any = None
        self._sizes: dict[str, tuple[int, ...]] = {}
        self._store = gpu()
        self._store.counts["engine"] += 1

    def __del__(self) -> None:
        self._store.releases.append("engine")

    @cached_property
    def session(self) -> Any:
        """ONNX Runtime's, one for all contexts."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(self.plan.model, options, providers=["CPUExecutionProvider"])

    # --- tensors

    def _tensor(self, name: str) -> TensorInfo:
        found = self.plan.tensor(name)
        if found is None:
            self.library.log(self.logger, "ERROR", f"ICudaEngine: there is no input or output tensor {name}")
        return found or TensorInfo(name, False, "FLOAT", (-1,), ("",))

    def get_tensor_name(self, index: int) -> str:
        return self.plan.tensors[index].name

    __getitem__ = get_tensor_name

    def get_tensor_mode(self, name: str) -> Any:
        known, info = self.plan.tensor(name), self._tensor(name)
        word = "NONE" if known is None else "INPUT" if info.is_input else "OUTPUT"
        return self.library.enums.member("TensorIOMode", word)

    def get_tensor_dtype(self, name: str) -> Any:
        return self.library.enums.member("DataType", self._tensor(name).dtype)

    def get_tensor_shape(self, name: str) -> Dims:
        return Dims(self._tensor(name).shape)

    def get_tensor_location(self, name: str) -> Any:
        return self.library.enums.member("TensorLocation", "DEVICE")

    def get_tensor_format(self, name: str, profile_index: int = 0) -> Any:
        return self.library.enums.member("TensorFormat", "LINEAR")

    def get_tensor_format_desc(self, name: str, profile_index: int = 0) -> str:
        return "Row major linear format (kLINEAR)"

    def get_tensor_bytes_per_component(self, name: str, profile_index: int = 0) -> int:
        return np.dtype(NUMPY[self._tensor(name).dtype]).itemsize

    def get_tensor_components_per_element(self, name: str, profile_index: int = 0) -> int:
        return 1

    def get_tensor_vectorized_dim(self, name: str, profile_index: int = 0) -> int:
        return -1

    def is_shape_inference_io(self, name: str) -> bool:
        return False

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        shapes = self.plan.profiles[profile_index].get(name) or [list(self._tensor(name).shape)] * 3
        return [Dims(shape) for shape in shapes]

    def get_device_memory_size_for_profile(self, profile_index: int) -> int:
        return SCRATCH_BYTES

    get_device_memory_size_for_profile_v2 = get_device_memory_size_for_profile

    # --- what is made of it

    def serialize(self) -> HostMemory:
        return HostMemory(self.library, pack(self.plan))

    def create_engine_inspector(self) -> Inspector:
        return Inspector(self.library, self)

    def create_runtime_config(self) -> RuntimeConfig:
        return RuntimeConfig(self.library)

    def create_execution_context(self, strategy: Any = None, runtime_config: RuntimeConfig | None = None) -> Any:
        from tests.fakes.trt.context import Context

        if "STRIP_PLAN" in self.plan.flags:
            return self._refuse("the engine was built without its weights, and they were not refitted")
        if gpu().free_bytes < SCRATCH_BYTES:
            return self._refuse("Error Code 2: OutOfMemory (Requested size was 1048576 bytes.)")
        return Context(self.library, self, runtime_config)

    def _refuse(self, text: str) -> None:
        self.library.log(self.logger, "ERROR", f"ICudaEngine::createExecutionContext: {text}")

    # --- shapes

    def output_shape(self, output: TensorInfo, inputs: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
        """From names of free sizes where they tell, else from a run over zeros."""
        sizes: dict[str, int] = {}
        for tensor in self.plan.tensors:
            if tensor.is_input:
                sizes.update(zip(tensor.symbols, inputs[tensor.name], strict=True))
        known = tuple(
            size if size >= 0 else sizes.get(symbol or "?", -1)
            for size, symbol in zip(output.shape, output.symbols, strict=True)
        )
        if -1 not in known and output.shape:
            return known
        key = f"{output.name} {inputs}"
        if key in self._sizes:
            return self._sizes[key]
        zeros = {t.name: np.zeros(inputs[t.name], NUMPY[t.dtype]) for t in self.plan.tensors if t.is_input}
        return self._sizes.setdefault(key, tuple(self.session.run([output.name], zeros)[0].shape))


class Inspector(Part):
    public_name = "EngineInspector"

    def __init__(self, library: Library, engine: Engine) -> None:
        super().__init__(library)
        self._engine = engine
        self.execution_context: Any = None
        self.error_recorder: Any = None

    def get_engine_information(self, format: Any) -> str:
        return inspect.information(self._engine.plan, as_json=format.name == "JSON")

    def get_layer_information(self, layer_index: int, format: Any) -> str:
        return inspect.layer_information(self._engine.plan, layer_index)


class RuntimeConfig(Part):
    """IRuntimeConfig. TensorRT 11 has the allocation strategy alone."""

    public_name = "IRuntimeConfig"

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self._strategy = library.enums.member("ExecutionContextAllocationStrategy", "STATIC")
        self.cuda_graph_strategy = library.enums.member("CudaGraphStrategy", "DISABLED")
        lazy = library.enums.member("DynamicShapesKernelSpecializationStrategy", "LAZY")
        self.dynamic_shapes_kernel_specialization_strategy = lazy
        self.cache: RuntimeCache | None = None

    def get_execution_context_allocation_strategy(self) -> Any:
        return self._strategy

    def set_execution_context_allocation_strategy(self, strategy: Any) -> None:
        self._strategy = strategy

    def create_runtime_cache(self) -> RuntimeCache:
        return RuntimeCache(self.library)

    def set_runtime_cache(self, cache: RuntimeCache | None = None) -> bool:
        self.cache = cache
        return True

    def get_runtime_cache(self) -> RuntimeCache | None:
        return self.cache


class RuntimeCache(Part):
    """kernels: one for each set of input shapes that ran."""

    public_name = "IRuntimeCache"

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self.kernels: set[str] = set()

    def _key(self) -> str:
        return f"{self.library.version} {gpu().settings['name']} {gpu().settings['driver']}"

    def serialize(self) -> HostMemory:
        return HostMemory(self.library, RUNTIME_CACHE + json.dumps([self._key(), sorted(self.kernels)]).encode())

    def deserialize(self, blob: Any) -> bool:
        content = bytes(blob)
        if not content.startswith(RUNTIME_CACHE):
            return False
        key, kernels = json.loads(content.removeprefix(RUNTIME_CACHE))
        if key != self._key():
            return False
        self.kernels = set(kernels)
        gpu().counts["runtime_cache_loaded"] += 1
        return True

    def reset(self) -> None:
        self.kernels.clear()

    def compiled(self, shapes: Sequence[tuple[int, ...]], record: Callable[[str], None]) -> None:
        """Note that kernels for these shapes are there; tell `record` what had to be compiled."""
        kernel = json.dumps(shapes)
        if kernel not in self.kernels:
            record(kernel)
            self.kernels.add(kernel)
