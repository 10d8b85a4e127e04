"""TensorRT-RTX engines for the bundle, built on a machine without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgeneuro.errors import BackendError
from edgeneuro.export.lowered import FLOAT_GRAPH, Lowered
from edgeneuro.manifest import PrebuiltEngine
from edgeneuro.runtime.backends.trt.builder import COMPUTE_CAPABILITIES, build
from edgeneuro.runtime.backends.trt.identity import platform_name
from edgeneuro.runtime.backends.trt.records import BuildSettings, Flavour

FLAVOUR: Flavour = "tensorrt-rtx"


def prebuild(
    lowered: Mapping[str, Lowered], settings: BuildSettings, *, progress: Callable[[str], None]
) -> dict[PrebuiltEngine, bytes]:
    """What goes into the manifest -> the engine, for every graph lowered for TensorRT, else for the float graph.

    settings: without compute capabilities it takes those of GeForce RTX 30, 40 and 50.
    Raises BackendError: library missing, graph refused, or a graph in INT8 of which the engine runs nothing in INT8.
    """
    capabilities = settings.compute_capabilities or COMPUTE_CAPABILITIES
    wanted = [path for path, item in lowered.items() if item.form is not None and item.form.backend == "tensorrt"]
    found: dict[PrebuiltEngine, bytes] = {}
    for path in wanted or [FLOAT_GRAPH]:
        form = lowered[path].form
        precision = form.precision if form is not None else "fp32"
        built = build(
            lowered[path].content,
            FLAVOUR,
            BuildSettings(max_batch=settings.max_batch, level=settings.level, compute_capabilities=capabilities),
            progress=progress,
        )
        layers = built.report.layers
        assert layers is not None  # there is an engine
        if precision in ("int8", "mixed") and layers.int8_convolutions == 0:
            raise BackendError(
                f"{FLAVOUR} {built.report.version}: runs none of the {layers.convolutions} convolutions of {path} in INT8; "
                "leave out --backend tensorrt-rtx, or build with --fp16"
            )
        engine = PrebuiltEngine(
            path=f"engines/{FLAVOUR}.{precision}.engine",
            graph=path,
            backend=FLAVOUR,
            version=built.report.version,
            platform=platform_name(),
            compute_capabilities=capabilities,
            max_batch=settings.max_batch,
            convolutions=layers.convolutions,
            int8_convolutions=layers.int8_convolutions,
            half_convolutions=layers.half_convolutions,
        )
        found[engine] = built.content
    return found
