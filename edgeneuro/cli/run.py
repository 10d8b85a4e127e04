"""edgeneuro run: frames in, one line each out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeneuro.cli.options import AllowUnsigned, BackendOption, Force, Json, PrecisionOption, Threads

if TYPE_CHECKING:
    from edgeneuro.runtime.stream import FrameResult


def command(
    engine: Annotated[Path, typer.Argument(metavar="ENGINE", help="An .edge file.", show_default=False)],
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="Images, volumes, folders, patterns, .npy, .npz, .swc.", show_default=False
        ),
    ],
    precision: PrecisionOption = None,
    backend: BackendOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for masks (PNG, TIFF stacks) or output arrays (.npz)."),
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(
            "--overlay", metavar="DIR", help="Folder for pictures (PNG) with the result drawn over each frame."
        ),
    ] = None,
    force: Force = False,
    allow_unsigned: AllowUnsigned = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Run an .edge file on images, volumes, arrays or neurons, in the order given.

    A classifier prints a class and its probability; a segmentation the share of the foreground, and with --out writes
    each mask; any other network writes its outputs to --out. A network that takes arrays reads .npz files, one array an
    input; one trained on neurons reads .swc files, and draws them as it was trained; one for volumes reads TIFF stacks,
    .v3draw, HDF5 and Zarr folders of any size that memory holds (larger ones: edgeneuro segment). A file that cannot be read is
    reported in its own line, the rest goes on, and the exit code is 1.

    With --overlay each frame becomes a picture for people: of a segmentation the outline of every class, of a classifier
    that explains itself (model skin) where in the frame its answer comes from, of a neuron the whole cell. Into a folder
    that holds something it is written with --force alone, as --out is.

    With --backend auto the graphs of the engine are timed on every installed backend, once for each machine and engine;
    -v says which was taken and why.

    \b
    edgeneuro run myositis-int8.edge frame.png folder/ 'scans/**/*.tif'
    edgeneuro run myositis-int8.edge frame.png --json     one JSON object a line
    edgeneuro run neurons-int8.edge scans/ --out masks/
    edgeneuro run neurons3d-int8.edge stack.tif cell.zarr --out masks/ --overlay pictures/
    edgeneuro run skin-int8.edge photo.jpg --overlay pictures/
    edgeneuro run morphology.edge cell.swc cells/ --overlay pictures/
    edgeneuro run myositis-int8.edge folder/ --backend auto -v
    """
    from edgeneuro.runtime import open_engine
    from edgeneuro.runtime.overlay import check_overlay
    from edgeneuro.runtime.stream import run_sources
    from edgeneuro.runtime.write import OverlayFolder, ResultFolder, check_out

    failed = 0
    with open_engine(
        engine,
        precision=precision.value if precision else None,
        backend=backend.value if backend else None,
        threads=threads,
        allow_unsigned=allow_unsigned,
    ) as opened:
        check_out(opened.manifest.task, out)
        if overlay is not None:
            check_overlay(opened.manifest, overlay, out)
        folder = None if out is None else ResultFolder(out, force=force)
        pictures = None if overlay is None else OverlayFolder(overlay, force=force)
        for result in run_sources(opened, sources, folder, pictures):
            failed += result.error is not None
            line = json.dumps(result.to_json(), ensure_ascii=False, allow_nan=False) if as_json else _sentence(result)
            print(line, flush=True)
    if failed:
        raise typer.Exit(1)


def _sentence(done: FrameResult) -> str:
    """For people: scan.png: ibm 93.1 % (5.2 ms) simulated_training"""
    name = done.source if done.index == 0 else f"{done.source}[{done.index}]"
    if done.result is None:
        return f"{name}: error: {str(done.error).removeprefix(done.source + ': ')}"
    words = [f"{name}:", _answer(done), f"({sum(done.result.ms.values()):.1f} ms)"]
    words.extend(f"-> {path}" for path in (done.file, done.overlay) if path is not None)
    return " ".join((*words, *done.flags))


def _answer(done: FrameResult) -> str:
    from edgeneuro.runtime import Prediction, Segmentation, TensorOutputs

    match done.result:
        case Prediction(label=label, probabilities=probabilities, quality=quality):
            rated = "" if quality is None else f", quality {quality:.2f}"
            return f"{label} {100 * probabilities[label]:.1f} %{rated}"
        case Segmentation(foreground_fraction=share):
            return f"foreground {100 * share:.2f} %"
        case TensorOutputs(outputs=outputs):
            return ", ".join(f"{name} {'x'.join(map(str, value.shape)) or 'scalar'}" for name, value in outputs.items())
        case None:
            return ""
