"""edgeneuro report: measurements of one or several devices as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.cli.options import Force


def command(
    files: Annotated[
        list[Path], typer.Argument(metavar="A.json...", help="What `edgeneuro benchmark` wrote.", show_default=False)
    ],
    out_folder: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the report.", show_default=False)
    ],
    force: Force = False,
    quiet: bool = False,
) -> None:
    """Make report.json, report.md and report.html of measurements, one or several devices together.

    Measuring needs only the base install; the page can be made elsewhere from the JSON. Times of different devices are
    shown beside each other, never compared as if taken in one run. See docs/report.md.

    \b
    edgeneuro report jetson.json --out report
    edgeneuro report jetson.json laptop.json --out devices --force
    """
    import logging

    from edgeneuro.benchmarks.report.devices import conflicts
    from edgeneuro.benchmarks.report.read import merge_reports
    from edgeneuro.benchmarks.report.write import check_report, write_reports
    from edgeneuro.cli.options import out

    check_report(out_folder, force)
    reports = merge_reports(files)
    for line in conflicts(reports):
        logging.getLogger("edgeneuro").warning(line)
    written = write_reports(reports, out_folder, force=force)
    if not quiet:
        out().print(f"{', '.join(map(str, written))}", soft_wrap=True)
