"""How engines for GPUs are built: options of `build-engine`, and the building on the device itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeneuro.cli.options import print_json
from edgeneuro.errors import UsageError

if TYPE_CHECKING:
    from edgeneuro.manifest import Precision
    from edgeneuro.runtime.backends.trt.records import BuildReport, BuildSettings

Workspace = Annotated[
    int | None,
    typer.Option(
        "--workspace", min=1, metavar="MIB", help="Scratch memory a TensorRT engine may use.  [default: the library's]"
    ),
]
Level = Annotated[
    int | None,
    typer.Option(
        min=0, max=5, metavar="N", help="TensorRT's optimisation level, 0 to 5; lower builds faster.  [default: 3]"
    ),
]
Dla = Annotated[
    int | None,
    typer.Option(
        "--dla", min=0, metavar="CORE", help="Run on this DLA core of a Jetson what it can, the rest on the GPU."
    ),
]
MaxBatch = Annotated[
    int, typer.Option(min=1, metavar="N", help="Frames that a TensorRT engine takes at once; more are run in pieces.")
]
Sparse = Annotated[
    bool,
    typer.Option("--sparse", help="Let TensorRT try kernels that skip zeros, for weights pruned with --pattern 2:4."),
]
Capabilities = Annotated[
    list[str] | None,
    typer.Option(
        "--compute-capability",
        metavar="X.Y",
        help="GPUs that TensorRT-RTX builds for; may be repeated.  [default: 8.6, 8.9, 12.0]",
    ),
]


def device_settings(
    *,
    workspace: int | None,
    level: int | None,
    dla: int | None,
    max_batch: int,
    capabilities: list[str] | None,
    sparse: bool = False,
) -> BuildSettings:
    """The options as one record."""
    from edgeneuro.runtime.backends.trt.records import BuildSettings

    return BuildSettings(
        workspace_mib=workspace,
        level=level,
        dla_core=dla,
        max_batch=max_batch,
        compute_capabilities=tuple(capabilities or ()),
        sparse_weights=sparse,
    )


def check_used(settings: BuildSettings, backends: list[str]) -> None:
    """Raise UsageError for options that no engine of this build would heed."""
    from edgeneuro.runtime.backends.trt.records import BuildSettings

    if settings.workspace_mib is not None or settings.dla_core is not None or settings.sparse_weights:
        raise UsageError(
            "--workspace, --dla, --sparse: hold for an engine that is built on its device; give them with the .edge file there"
        )
    if settings != BuildSettings() and "tensorrt-rtx" not in backends:
        raise UsageError(
            "--level, --max-batch, --compute-capability: hold for TensorRT engines; add --backend tensorrt-rtx to put some "
            "into the bundle, or give the .edge file on the device"
        )


def check_nothing_else(options: Mapping[str, object]) -> None:
    """options: name -> value, None where it was not given. Raise UsageError for what has been decided in an .edge file."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UsageError(
            f"{given[0]}: means nothing for an .edge file, whose engine goes into the cache of this device; leave it out"
        )


def build_on_device(
    path: Path,
    backends: list[str],
    precision: Precision | None,
    settings: BuildSettings,
    *,
    allow_unsigned: bool,
    as_json: bool,
    progress: Callable[[str], None],
) -> None:
    """Build the engine that `run --backend NAME` opens on this device into the private cache, and say what it holds.

    Raises UsageError without exactly one backend that builds engines; what opening the bundle and building raise.
    """
    from edgeneuro.records import to_json
    from edgeneuro.runtime.backends import BACKENDS
    from edgeneuro.runtime.prepare import prepare_engine

    gpus = [name for name, kind in BACKENDS.items() if kind.gpu]
    if len(backends) != 1 or backends[0] not in gpus:
        raise UsageError(
            f"{path}: is an .edge file, whose engine is built for this device; give --backend {' or '.join(gpus)}"
        )
    graph, report = prepare_engine(
        path, backends[0], precision, settings, allow_unsigned=allow_unsigned, progress=progress
    )
    if as_json:
        print_json({"path": str(path), "backend": backends[0], "graph": graph.path, **to_json(report)})
        return
    print(f"{path}: {graph.path} is ready for {backends[0]} {report.version} on this device")
    print(_layers(report))


def _layers(report: BuildReport) -> str:
    layers = report.layers
    if layers is None:
        return f"{report.engine_bytes:,} bytes"
    dla = f", {layers.on_dla} on the DLA" if layers.on_dla else ""
    return (
        f"{layers.count} layers{dla}; of {layers.convolutions} convolutions {layers.int8_convolutions} in INT8, "
        f"{layers.half_convolutions} in FP16; {report.engine_bytes:,} bytes, built in {report.seconds:.0f} s"
    )
