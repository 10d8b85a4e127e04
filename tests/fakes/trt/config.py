"""What a build is told: configuration, optimisation profiles, timing cache."""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.trt.network import Layer
from tests.fakes.trt.objects import Library, Part
from tests.fakes.trt.values import Dims, HostMemory

DLA_LAYERS = ("CONVOLUTION", "ACTIVATION", "POOLING", "CONCATENATION", "ELEMENTWISE", "DECONVOLUTION")
CACHE_MAGIC = b"FAKETIMING"


class Profile(Part):
    """shapes: input -> [min, opt, max]."""

    public_name = "IOptimizationProfile"

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self.shapes: dict[str, list[list[int]]] = {}
        self.extra_memory_target = 1.0

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        shapes = [list(map(int, shape)) for shape in (min, opt, max)]
        if not all(low <= middle <= high for low, middle, high in zip(*shapes, strict=True)):
            raise RuntimeError("Shape provided for min must be less than or equal to opt, opt to max")
        self.shapes[input] = shapes

    def get_shape(self, input: str) -> list[Dims]:
        return [Dims(shape) for shape in self.shapes[input]]


class TimingCache(Part):
    """entries: one for each layer timed. key: version and device that they belong to."""

    public_name = "ITimingCache"

    def __init__(self, library: Library, key: str, entries: set[str]) -> None:
        super().__init__(library)
        self.key, self.entries = key, entries

    def serialize(self) -> HostMemory:
        return HostMemory(self.library, CACHE_MAGIC + json.dumps([self.key, sorted(self.entries)]).encode())

    def combine(self, input_cache: TimingCache, ignore_mismatch: bool) -> bool:
        if self.key != input_cache.key and not ignore_mismatch:
            return False
        self.entries |= input_cache.entries
        return True

    def reset(self) -> bool:
        self.entries.clear()
        return True


def read_timing_cache(library: Library, content: bytes, key: str) -> TimingCache | None:
    """An empty one of no bytes; None of bytes that are no timing cache."""
    if not content:
        return TimingCache(library, key, set())
    try:
        found, entries = json.loads(content.removeprefix(CACHE_MAGIC))
    except ValueError:
        return None
    return TimingCache(library, found, set(entries))


class Config(Part):
    """IBuilderConfig. key: version and device, for timing caches."""

    public_name = "IBuilderConfig"

    def __init__(self, library: Library, logger: Any, key: str) -> None:
        super().__init__(library)
        self._logger, self._key = logger, key
        self.reset()

    def reset(self) -> None:
        member = self.library.enums.member
        self.flags = 1 << int(member("BuilderFlag", "TF32"))
        self.profiles: list[Profile] = []
        self.pools: dict[int, int] = {}
        self.devices: dict[str, Any] = {}
        self.capabilities: list[Any] = []
        self.timing_cache: TimingCache | None = None
        self.default_device_type = member("DeviceType", "GPU")
        self.DLA_core = -1
        self.builder_optimization_level = 3
        self.avg_timing_iterations = 1
        self.max_aux_streams = -1
        self.hardware_compatibility_level = member("HardwareCompatibilityLevel", "NONE")
        self.profiling_verbosity = member("ProfilingVerbosity", "LAYER_NAMES_ONLY")
        self.engine_capability = member("EngineCapability", "STANDARD")
        self.runtime_platform = member("RuntimePlatform", "SAME_AS_BUILD")
        self.progress_monitor: Any = None
        self.int8_calibrator: Any = None
        self.plugins_to_serialize: list[str] = []

    def set_flag(self, flag: Any) -> None:
        self.flags |= 1 << int(flag)

    def clear_flag(self, flag: Any) -> None:
        self.flags &= ~(1 << int(flag))

    def get_flag(self, flag: Any) -> bool:
        return bool(self.flags & 1 << int(flag))

    def has(self, name: str) -> bool:
        """Whether the flag is set, by name; no where this version lacks it."""
        flag = self.library.enums.member("BuilderFlag", name)
        return flag is not None and self.get_flag(flag)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self.profiles)

    def add_optimization_profile(self, profile: Profile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        self.pools[int(pool)] = int(pool_size)

    def get_memory_pool_limit(self, pool: Any) -> int:
        return self.pools.get(int(pool), 8 << 30)

    # --- timing cache

    def create_timing_cache(self, serialized_timing_cache: Any) -> TimingCache | None:
        made = read_timing_cache(self.library, bytes(serialized_timing_cache), self._key)
        if made is None:
            self.library.log(self._logger, "ERROR", "createTimingCache: the timing cache cannot be deserialized")
        return made

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        if cache.key != self._key and not ignore_mismatch:
            self.library.log(self._logger, "WARNING", "the timing cache was made with another version or device")
            return False
        self.timing_cache = cache
        return True

    def get_timing_cache(self) -> TimingCache | None:
        return self.timing_cache

    # --- DLA

    def can_run_on_DLA(self, layer: Layer) -> bool:
        return layer.type is not None and layer.type.name in DLA_LAYERS

    def set_device_type(self, layer: Layer, device_type: Any) -> None:
        self.devices[layer.name] = device_type

    def get_device_type(self, layer: Layer) -> Any:
        return self.devices.get(layer.name, self.default_device_type)

    def is_device_type_set(self, layer: Layer) -> bool:
        return layer.name in self.devices

    def reset_device_type(self, layer: Layer) -> None:
        self.devices.pop(layer.name, None)

    # --- TensorRT-RTX's targets

    @property
    def num_compute_capabilities(self) -> int:
        return len(self.capabilities)

    @num_compute_capabilities.setter
    def num_compute_capabilities(self, count: int) -> None:
        none = self.library.enums.member("ComputeCapability", "NONE")
        self.capabilities = (self.capabilities + [none] * count)[:count]

    def set_compute_capability(self, compute_capability: Any, index: int) -> bool:
        if index >= len(self.capabilities):
            self.library.log(self._logger, "ERROR", f"compute capability {index} is beyond num_compute_capabilities")
            return False
        self.capabilities[index] = compute_capability
        return True

    def get_compute_capability(self, index: int) -> Any:
        return self.capabilities[index]
