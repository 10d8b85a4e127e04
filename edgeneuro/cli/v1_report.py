"""edgeneuro v1 report: every analysis of one session as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeneuro.cli.options import Force, Json, Quiet

if TYPE_CHECKING:
    from edgeneuro.spec import Array


def command(
    session: Annotated[
        str,
        typer.Argument(
            metavar="SESSION",
            help="A .npz of gratings, a .mat of natural images, a session of v1_gratings_2p such as mrcuts28_fov4, or v1-simulated:SEED.",
            show_default=False,
        ),
    ],
    out_folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the report and its steps.", show_default=False)
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer decoders, permutations and settings: minutes, not hours.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a report that was interrupted.")] = False,
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy",
            help="Features of the images, (image, feature), for the guided merge.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of splits, draws, permutations and decoders.")] = 0,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run every analysis of a session, and make report.json, report.md and report.html of them.

    Each step is kept in DIR/steps as soon as it is done; --resume goes on after an interrupt. What the session lacks is left out with the
    reason. Accuracies of the honest split stand beside those of a leaky one, named so, and beside published values. See docs/v1.md.

    \b
    edgeneuro v1 report mrcuts28_fov4 --out reports/mrcuts28 --quick
    edgeneuro v1 report natimg2800_M161025_MP030_2017-05-29.mat --out reports/mp030 --resume
    """
    from edgeneuro.benchmarks.report.v1.page import check_v1_report, write_v1_report
    from edgeneuro.cli.compress_output import shown
    from edgeneuro.cli.options import out, print_json
    from edgeneuro.data.recordings.opening import open_recording
    from edgeneuro.errors import UsageError
    from edgeneuro.files import refuse_existing
    from edgeneuro.records import to_json
    from edgeneuro.v1.report import settings
    from edgeneuro.v1.report.kept import FOLDER
    from edgeneuro.v1.report.run import run_steps
    from edgeneuro.v1.report.session import Session

    if resume and force:
        raise UsageError("--force: begins again, which contradicts --resume; give one of them")
    check_v1_report(out_folder, force=force or resume)
    if not resume:
        refuse_existing(out_folder / FOLDER, force=force)
    recording = open_recording(session)
    given = None if features is None else _read_features(features)
    chosen = settings.quick(seed) if quick else settings.full(seed)
    with shown(quiet or as_json) as (_, status):
        made = run_steps(
            Session(recording, chosen, given),
            out_folder,
            resume=resume,
            progress=lambda title, number, of: status(f"{number} of {of}: {title}"),
        )
        status("writing the page")
        written = write_v1_report(made.document, made.arrays, out_folder)
    if as_json:
        print_json(to_json(made.document))
    elif not quiet:
        out().print(", ".join(map(str, written)), soft_wrap=True)


def _read_features(path: Path) -> Array:
    """(image, feature), finite. Raises FrameError."""
    import numpy as np

    from edgeneuro.data.arrays import read_arrays
    from edgeneuro.errors import FrameError

    features = read_arrays(path)
    if isinstance(features, Mapping):
        raise FrameError(f"--features {path}: holds {len(features)} named arrays, expected a .npy with one")
    if features.ndim != 2 or not np.isfinite(features).all():
        kind = "not finite everywhere" if features.ndim == 2 else f"of shape {features.shape}"
        raise FrameError(f"--features {path}: is {kind}, expected finite numbers (image, feature)")
    return features
