"""What the parts of the TensorRT adapter hand each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Flavour = Literal["tensorrt", "tensorrt-rtx"]
Compatibility = Literal["none", "ampere+", "same-compute-capability"]


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """How an engine is built; precision is not among it, that is what the graph says.

    max_batch: frames at once, where the graph's batch axis is free. workspace_mib: of scratch memory, None leaves it to the
    library. level: of the builder's optimisation, 0 to 5, None leaves it to the library. dla_core: run on this core what it
    can, None on the GPU. compute_capabilities: TensorRT-RTX only, e.g. ("8.6",); empty takes the
    device's own, without one those of GeForce RTX 30, 40 and 50. version_compatible: also for newer runtimes. hardware: what other GPUs may run it.
    refit: weights can be replaced; strip: the plan has no weights until they are. sparse_weights: may use kernels that skip
    zeros, where the weights follow the 2:4 pattern and such a kernel is faster (docs/sparsity.md).
    """

    max_batch: int = 1
    workspace_mib: int | None = None
    level: int | None = None
    dla_core: int | None = None
    compute_capabilities: tuple[str, ...] = ()
    version_compatible: bool = False
    hardware: Compatibility = "none"
    refit: bool = False
    strip: bool = False
    sparse_weights: bool = False


@dataclass(frozen=True, kw_only=True)
class RefusedNode:
    """An ONNX node that the parser does not take. reason: in the library's words. remedy: what to do about it."""

    name: str
    operator: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The layers of a built engine. It is evidence of the plan, not of speed.

    count: of layers. convolutions: in the parsed network, transposed ones apart. int8_convolutions, half_convolutions:
    those that read INT8, FP16 in the engine. reformats: layers that only change layout or type. on_dla: how many run
    on the DLA. types: type a layer reads ("Int8", "Half", "Float", ...) -> layers. source: "inspector" or "build log".
    """

    count: int
    convolutions: int
    int8_convolutions: int
    half_convolutions: int
    reformats: int
    on_dla: int = 0
    types: Mapping[str, int] = field(default_factory=dict)
    source: Literal["inspector", "build log"]


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What a build found. version: of the library. warnings: each once. layers: None of a version-compatible engine, which is
    not loaded to look. engine_bytes: its size, kernels included. seconds: wall time."""

    flavour: Flavour
    version: str
    warnings: tuple[str, ...] = ()
    layers: Layers | None = None
    engine_bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BuiltEngine:
    """An engine as bytes. They are executable content: only what was just built here, was verified in a bundle, or was
    authenticated in the private cache becomes one of these, and nothing else reaches `deserialize`.

    timing_cache: of the build, empty where the library keeps none.
    """

    content: bytes
    report: BuildReport
    timing_cache: bytes = b""


@dataclass(frozen=True, kw_only=True)
class EngineIdentity:
    """What an engine fits: compared field by field when it is opened.

    platform: e.g. "linux-x86_64". compute_capabilities: those it was built for. gpu, multiprocessors, driver: of the device,
    empty and 0 for an engine that was built without one.
    """

    graph: str
    flavour: Flavour
    version: str
    platform: str
    compute_capabilities: tuple[str, ...]
    gpu: str = ""
    multiprocessors: int = 0
    driver: str = ""
    settings: BuildSettings = BuildSettings()


@dataclass(frozen=True, kw_only=True)
class Prebuilt:
    """An engine from a verified bundle, and what it fits."""

    content: bytes
    identity: EngineIdentity
