"""edgeneuro segment: the mask of a volume of any size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeneuro.cli.options import AllowUnsigned, BackendOption, Force, Json, PrecisionOption, Quiet, Threads

if TYPE_CHECKING:
    from edgeneuro.runtime.segment.run import Progress


def command(
    volume: Annotated[
        Path,
        typer.Argument(
            metavar="VOLUME", help="A Zarr or OME-Zarr folder, TIFF stack, HDF5 or .v3draw file.", show_default=False
        ),
    ],
    engine: Annotated[Path, typer.Option(metavar="EDGE", help="An .edge file that segments images or volumes.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="MASK", help="OME-Zarr folder to write, MASK.ledger beside it.")
    ],
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of a running Dask cluster, tcp://HOST:PORT, that sees the same files."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Processes on this machine.  [default: this one alone]", show_default=False
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a mask that was interrupted.")] = False,
    levels: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="Grey values that become 0 and 1.  [default: percentiles of the whole volume]",
            show_default=False,
        ),
    ] = None,
    chunk: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Sides of the mask's chunks in voxels: one is made at a time, and lost with its worker.  "
            "[default: 6 steps of a tile, of images 16]",
            show_default=False,
        ),
    ] = None,
    channel: Annotated[int | None, typer.Option(min=0, metavar="N", help="From 0, where there are several.")] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Array inside an HDF5 file or Zarr folder.")
    ] = None,
    precision: PrecisionOption = None,
    backend: BackendOption = None,
    force: Force = False,
    allow_unsigned: AllowUnsigned = False,
    threads: Threads = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Segment a volume of any size into an OME-Zarr mask, chunk by chunk, in constant memory.

    The mask is what one blend over the whole volume would give, bit for bit, whatever the chunks and the workers. An engine for images
    takes a stack plane by plane. Grey levels are the percentiles of the whole volume, found exactly in a first pass (two for 32 bits);
    --levels leaves it out.

    Each chunk that is written is noted beside the mask. A worker that dies costs its chunk; after an interrupt, a full disk or a power
    cut, --resume goes on. It refuses another engine, volume or other levels. With -v the address of Dask's dashboard is said.

    \b
    edgeneuro segment brain.zarr --engine neurons3d-int8.edge --out mask.zarr
    edgeneuro segment brain.zarr --engine neurons3d-int8.edge --out mask.zarr --workers 8
    edgeneuro segment brain.zarr --engine neurons3d-int8.edge --out mask.zarr --scheduler tcp://10.0.0.5:8786 --resume
    """
    from edgeneuro.cli.options import print_json
    from edgeneuro.errors import UsageError
    from edgeneuro.records import to_json
    from edgeneuro.runtime.segment.run import segment_volume
    from edgeneuro.runtime.segment.workers import open_workers

    if scheduler is not None and workers is not None:
        raise UsageError("--workers: contradicts --scheduler, whose workers run already; give one of them")
    if resume and force:
        raise UsageError("--force: begins again, which contradicts --resume; give one of them")
    with _progress(quiet) as progress, open_workers(scheduler=scheduler, workers=workers, threads=threads) as crew:
        done = segment_volume(
            volume,
            engine,
            out,
            crew,
            channel=channel,
            dataset=dataset,
            levels=levels,
            chunk=chunk,
            precision=precision.value if precision else None,
            backend=backend.value if backend else None,
            resume=resume,
            force=force,
            allow_unsigned=allow_unsigned,
            progress=progress,
        )
    if as_json:
        print_json(to_json(done))
        return
    again = f", {done.resumed} of them from before" if done.resumed else ""
    print(
        f"{out}: {' x '.join(map(str, done.shape))} voxels in {done.chunks} chunks{again}, foreground "
        f"{100 * done.foreground_fraction:.3f} %, {done.voxels_per_second:,.0f} voxels a second"
    )


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    """A bar on standard error, where that is a terminal and wants to be told."""
    from rich.progress import Progress as Bars

    from edgeneuro.cli.options import err

    console = err()
    with Bars(console=console, transient=True, disable=quiet or not console.is_terminal) as bars:
        rows = {}

        def told(step: str, done: int, of: int) -> None:
            if step not in rows:
                rows[step] = bars.add_task(step)
            bars.update(rows[step], completed=done, total=of)

        yield told
