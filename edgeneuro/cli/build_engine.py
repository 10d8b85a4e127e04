"""`edgeneuro build-engine`: the main job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.cli.device_options import Capabilities, Dla, Level, MaxBatch, Sparse, Workspace
from edgeneuro.cli.options import AllowUnsigned, Force, Json, err, print_json
from edgeneuro.cli.preprocess_options import (
    BitDepth,
    Channels,
    MaxValue,
    Mean,
    PreprocessFile,
    Shapes,
    Size,
    Std,
    TaskOption,
    file_options,
)
from edgeneuro.errors import UsageError
from edgeneuro.manifest import Precision

Source = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|CKPT|FILE.onnx|FILE.edge",
        help="A reference model with packaged weights, a checkpoint folder, or a file.",
    ),
]
Int8 = Annotated[bool, typer.Option("--int8", help="Quantise to INT8 where that is faster than float.")]
Fp16 = Annotated[
    bool, typer.Option("--fp16", help="FP16 where the backend has it; with --int8, everything else in FP16.")
]
Fp8 = Annotated[
    bool, typer.Option("--fp8", help="FP8 for TensorRT on GPUs that have it (RTX 40 and later); processors run float.")
]
Backends = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Lower for this backend; may be repeated.  [default: all that can be checked]"),
]
Calibration = Annotated[
    str | None,
    typer.Option(metavar="SRC", help="Frames that fix the INT8 ranges.  [default: training part of the model's data]"),
]
Data = Annotated[
    str | None,
    typer.Option(metavar="SRC", help="Labelled frames to measure accuracy on.  [default: the model's own data]"),
]
MaxDrop = Annotated[
    str | None,
    typer.Option(
        metavar="POINTS|SHARE%",
        help="Refuse an engine that is not shown to lose less: 0.5 points of the primary metric, or 99% of float.",
    ),
]
By = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="With --max-drop, judge by this column (exam) as well as by frame.")
]
KeepFloatFile = Annotated[
    Path | None,
    typer.Option("--keep-float", metavar="FILE.json", help="Layers that stay in float, as `sensitivity` writes them."),
]
Method = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Of the ranges, as `calibrate` lists them.  [default: percentile-99.99]"),
]
Frames = Annotated[
    int, typer.Option("--calibration-frames", min=1, metavar="N", help="At most so many calibration frames.")
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Of the choice of calibration frames.")]
Out = Annotated[Path | None, typer.Option(metavar="FILE.edge", help="Output.  [default: MODEL-PRECISION.edge]")]

PRECISIONS: dict[tuple[bool, bool, bool], Precision] = {
    (False, False, False): "fp32",
    (True, False, False): "int8",
    (False, True, False): "fp16",
    (False, False, True): "fp8",
    (True, True, False): "mixed",
}
"""(--int8, --fp16, --fp8) -> what is built."""


def command(
    source: Source = "myositis",
    int8: Int8 = False,
    fp16: Fp16 = False,
    fp8: Fp8 = False,
    backend: Backends = None,
    calibration: Calibration = None,
    data: Data = None,
    max_drop: MaxDrop = None,
    by: By = None,
    keep_float: KeepFloatFile = None,
    method: Method = None,
    calibration_frames: Frames = 300,
    seed: Seed = 0,
    out: Out = None,
    task: TaskOption = None,
    size: Size = None,
    channels: Channels = None,
    shape: Shapes = None,
    mean: Mean = None,
    std: Std = None,
    max_value: MaxValue = None,
    bit_depth: BitDepth = None,
    preprocess: PreprocessFile = None,
    workspace: Workspace = None,
    level: Level = None,
    dla: Dla = None,
    max_batch: MaxBatch = 1,
    sparse: Sparse = False,
    compute_capability: Capabilities = None,
    allow_unsigned: AllowUnsigned = False,
    force: Force = False,
    as_json: Json = False,
    threads: int | None = None,
    quiet: bool = False,
) -> None:
    """Make one .edge file from a trained network, and measure what INT8 costs.

    The file holds the float network, the INT8 graphs, the quantisation plan, golden outputs, and the accuracy of every
    graph on groups that were seen neither in training nor in calibration. Which layers run in INT8 is decided by timing
    them on this machine, with --threads threads (1 unless given), and kept in the user's cache; for targets that cannot
    run here it follows the vendor's rules. With --max-drop, layers go back to float until validation groups lose less,
    and the engine is written only if the test groups show it too (exit code 3 otherwise).

    With --backend tensorrt-rtx the file also holds TensorRT-RTX engines, which need no GPU to be built. TensorRT's own
    engines are built on their device, at the first run there, or ahead of it: give the .edge file itself.

    \b
    edgeneuro build-engine --int8
    edgeneuro build-engine runs/lung --int8 --max-drop 1 --by video_id --out lung.edge
    edgeneuro build-engine net.onnx --int8 --calibration frames/ --data labelled/ --mean 0.45 --std 0.2
    edgeneuro build-engine lung.edge --backend tensorrt --workspace 512     on the Jetson, into its cache
    """
    from edgeneuro.cli.device_options import build_on_device, check_nothing_else, check_used, device_settings
    from edgeneuro.cli.inspect import document, show
    from edgeneuro.data import open_data
    from edgeneuro.export.build import BuildSettings, build_engine
    from edgeneuro.export.gate import parse_margin
    from edgeneuro.export.keep_float import read_keep_float
    from edgeneuro.export.make_plan import DEFAULT_METHOD, check_method
    from edgeneuro.runtime import read_untrusted

    if (int8, fp16, fp8) not in PRECISIONS:
        raise UsageError("--fp8: cannot be combined; give --fp8 alone, or --int8 with or without --fp16")
    precision = PRECISIONS[int8, fp16, fp8]
    device = device_settings(
        workspace=workspace,
        level=level,
        dla=dla,
        max_batch=max_batch,
        capabilities=compute_capability,
        sparse=sparse,
    )
    backends = list(backend or ())
    if Path(source).suffix == ".edge":
        check_nothing_else(
            {"--out": out, "--calibration": calibration, "--data": data, "--max-drop": max_drop, "--by": by}
            | {"--keep-float": keep_float, "--method": method, "--task": task, "--preprocess": preprocess}
            | {"--size": size, "--channels": channels, "--shape": shape, "--mean": mean, "--std": std}
            | {"--max-value": max_value, "--bit-depth": bit_depth}
        )
        with _steps(quiet) as progress:
            asked = precision if int8 or fp16 or fp8 else None
            build_on_device(
                Path(source),
                backends,
                asked,
                device,
                allow_unsigned=allow_unsigned,
                as_json=as_json,
                progress=progress,
            )
        return
    check_used(device, backends)
    if max_drop is None and by is not None:
        raise UsageError(f"--by {by}: says how --max-drop judges; give that too")
    options = file_options(
        preprocess,
        task=task,
        size=size,
        channels=channels,
        shapes=shape,
        mean=mean,
        std=std,
        max_value=max_value,
        bit_depth=bit_depth,
    )
    path = out or Path(f"{Path(source).resolve().stem}-{precision}.edge")
    with _steps(quiet) as progress, _record_on_stdout(as_json):
        build_engine(
            source,
            path,
            settings=BuildSettings(
                precision=precision,
                backends=tuple(backends),
                device=device,
                calibration_frames=calibration_frames,
                threads=threads or 1,
                seed=seed,
                method=DEFAULT_METHOD if method is None else check_method(method),
                keep_float=read_keep_float(keep_float) if keep_float else None,
                margin=parse_margin(max_drop) if max_drop is not None else None,
                by=by,
            ),
            options=options,
            data=open_data(data) if data else None,
            calibration=open_data(calibration) if calibration else None,
            force=force,
            progress=progress,
        )
    bundle = read_untrusted(path)
    if as_json:
        print_json(document(path, bundle))
    else:
        show(path, bundle)


@contextmanager
def _record_on_stdout(as_json: bool) -> Iterator[None]:
    """With --json, what the gate found is the document of an engine that is refused."""
    from edgeneuro.errors import GateError

    try:
        yield
    except GateError as error:
        if as_json:
            print_json(error.record)
        raise


@contextmanager
def _steps(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yields what to tell each step: a spinner on a terminal, one line a step elsewhere, nothing if `quiet`."""
    console = err()
    console.quiet = quiet
    if not console.is_terminal:
        yield lambda step: console.print(f"{step} ...", soft_wrap=True)
        return
    with console.status("starting") as status:
        yield lambda step: status.update(f"{step} ...")
