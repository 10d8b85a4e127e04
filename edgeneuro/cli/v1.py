"""`edgeneuro v1`: recordings of the mouse's primary visual cortex."""

from __future__ import annotations

import typer

from edgeneuro.cli import v1_decode, v1_report
from edgeneuro.cli.options import HELP

app = typer.Typer(
    no_args_is_help=True,
    context_settings=HELP,
    help="""Analyse recordings of many neurons of the visual cortex.

    \b
    edgeneuro v1 report v1-simulated:0 --out reports/simulated --quick
    edgeneuro v1 decode mouse.edge mrcuts28_fov4
    """,
)
app.command("report")(v1_report.command)
app.command("decode")(v1_decode.command)
