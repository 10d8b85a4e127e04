"""Builder: from a network and a configuration to the bytes of a fake engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from tests.fakes.store import gpu, has_gpu
from tests.fakes.trt.config import Config, Profile
from tests.fakes.trt.inspect import log_text
from tests.fakes.trt.network import Layer, Network
from tests.fakes.trt.objects import Library, Part
from tests.fakes.trt.plan import Plan, pack
from tests.fakes.trt.values import HostMemory

PHASES = (
    ("Building engine", None, 6),
    ("Cloning network graph", "Building engine", 5),
    ("Preparing graph for optimization", "Building engine", 4),
    ("Building engine from subgraph", "Building engine", 1),
    ("Optimizing graph", "Building engine from subgraph", 30),
    ("Computing profile costs", "Building engine from subgraph", 5),
    ("Timing tactics", "Computing profile costs", 3),
)
"""Name, parent, steps, as TensorRT-RTX 1.7.1 reports them."""
PARENTS = ("Building engine", "Building engine from subgraph", "Computing profile costs")
RTX_DEFAULT = ("SM80", "SM86", "SM89", "SM120")


class Refused(Exception):
    """Why there is no engine, in the library's words."""


class Builder(Part):
    """Full TensorRT needs a GPU for this; TensorRT-RTX does not."""

    public_name = "Builder"

    def __init__(self, library: Library, logger: Any) -> None:
        super().__init__(library)
        self.logger = logger
        if not library.rtx and not has_gpu():
            library.log(
                logger, "ERROR", "CUDA initialization failure with error: 100. Please check your CUDA installation"
            )
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self.num_DLA_cores = int(os.environ.get("EDGENEURO_FAKE_DLA", "0"))
        self.max_DLA_batch_size = 4096
        self.platform_has_tf32 = self.platform_has_fast_fp16 = self.platform_has_fast_int8 = True
        self.max_threads = 1

    def create_network(self, flags: int = 0) -> Network:
        return Network(self.library, flags)

    def create_builder_config(self) -> Config:
        return Config(self.library, self.logger, f"{self.library.version} {_device()[0]}")

    def create_optimization_profile(self) -> Profile:
        return Profile(self.library)

    def is_network_supported(self, network: Network, config: Config) -> bool:
        return True

    def reset(self) -> None:
        """Nothing is kept between builds."""

    def build_serialized_network(self, network: Network, config: Config, **more: Any) -> HostMemory | None:
        if more:
            raise NotImplementedError(self.library.guard.undone(f"build_serialized_network with {', '.join(more)}"))
        try:
            self._check(network, config)
        except Refused as refused:
            self._refuse(str(refused))
            return None
        if not self._report_progress(config.progress_monitor):
            self._refuse("the build was cancelled by the progress monitor")
            return None
        plan = self._plan(network, config)
        if config.timing_cache is not None:
            config.timing_cache.entries |= {layer.name for layer in plan.layers}
        self.library.log(self.logger, "VERBOSE", log_text(plan))
        return HostMemory(self.library, pack(plan))

    def _refuse(self, text: str) -> None:
        self.library.log(
            self.logger, "ERROR", f"IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error ({text})"
        )

    # --- checks

    def _check(self, network: Network, config: Config) -> None:
        """Raises Refused."""
        if network.graph is None:
            raise Refused("Network must have at least one output")
        free = [tensor for tensor in network.inputs if -1 in tensor.shape]
        if free and not config.profiles:
            raise Refused("Network has dynamic or shape inputs, but no optimization profile has been defined.")
        for profile in config.profiles:
            for tensor in free:
                if tensor.name not in profile.shapes:
                    raise Refused(f"Network input {tensor.name} is dynamic, but the profile has no shapes for it.")
        if self.library.rtx and config.has("VERSION_COMPATIBLE"):
            raise Refused("Cannot find the lean runtime library, which a version compatible engine needs.")
        self._check_dla(network, config)

    def _check_dla(self, network: Network, config: Config) -> None:
        wanted = [layer for layer in network.layers if config.get_device_type(layer).name == "DLA"]
        if not wanted:
            return
        if config.DLA_core >= self.num_DLA_cores or self.num_DLA_cores == 0:
            raise Refused(f"DLA core {config.DLA_core} was asked for, this device has {self.num_DLA_cores} of them.")
        for layer in wanted:
            if not config.can_run_on_DLA(layer) and not config.has("GPU_FALLBACK"):
                raise Refused(f"{layer.name}: is not supported on DLA, and GPU fallback is not enabled.")

    def _report_progress(self, monitor: Any) -> bool:
        """Whether the build may go on."""
        if monitor is None:
            return True
        going = all(_phases(monitor))
        for name in reversed(PARENTS):
            monitor.phase_finish(name)
        return going

    # --- the engine

    def _plan(self, network: Network, config: Config) -> Plan:
        from tests.fakes.trt.graph import engine_layers

        enums = self.library.enums
        flags = tuple(name for name in enums["BuilderFlag"].__members__ if config.has(name))
        return Plan(
            flavour=self.library.flavour,
            version=self.library.version,
            model=network.content,
            tensors=network.graph.tensors(),
            layers=engine_layers(network.graph, self._on_dla(network.layers, config)),
            profiles=tuple(profile.shapes for profile in config.profiles) or ({},),
            flags=flags,
            gpu=("", "") if self.library.rtx else _device(),
            capabilities=tuple(_targets(config)) if self.library.rtx else (),
            hardware=config.hardware_compatibility_level.name,
            verbosity=config.profiling_verbosity.name,
            settings={
                "strongly_typed": bool(network.flags & 1 << int(enums["NetworkDefinitionCreationFlag"].STRONGLY_TYPED)),
                "workspace": config.pools.get(0, -1),
                "level": config.builder_optimization_level,
                "dla_core": config.DLA_core,
            },
        )

    def _on_dla(self, layers: list[Layer], config: Config) -> frozenset[str]:
        placed = [x for x in layers if config.get_device_type(x).name == "DLA" and config.can_run_on_DLA(x)]
        return frozenset(layer.name for layer in placed)


def _phases(monitor: Any) -> Iterator[bool]:
    """Whether to go on, after every step."""
    for name, parent, steps in PHASES:
        monitor.phase_start(name, parent, steps)
        for step in range(steps):
            going = monitor.step_complete(name, step)
            yield going is not False
            if going is False:
                break
        if name not in PARENTS:
            monitor.phase_finish(name)


def _device() -> tuple[str, str]:
    """Name and compute capability; empty without a GPU."""
    if not has_gpu():
        return "", ""
    return str(gpu().settings["name"]), str(gpu().settings["compute_capability"])


def _targets(config: Config) -> Iterator[str]:
    if not config.capabilities:
        yield from RTX_DEFAULT
    for capability in config.capabilities:
        if capability.name == "CURRENT":
            yield "SM" + _device()[1].replace(".", "")
        elif capability.name != "NONE":
            yield capability.name
