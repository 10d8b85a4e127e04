"""edgeneuro verify: does this file keep its promises here?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.cli.inspect import signature_in_words
from edgeneuro.cli.options import Json, Threads, print_json
from edgeneuro.errors import EdgeNeuroError


def command(
    engine: Annotated[Path, typer.Argument(metavar="ENGINE", help="An .edge file.", show_default=False)],
    public_key: Annotated[
        Path | None,
        typer.Option(
            "--public-key",
            metavar="NAME.pub",
            help="Must have signed it.  [default: any of this device's trusted keys]",
        ),
    ] = None,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Check an .edge file: its form, every hash, its signature, and the golden outputs of every graph this machine can run.

    The float graph is checked on every installed backend. The signature is checked against --public-key, else against
    the keys installed on this device (docs/signing.md); nothing runs before it holds.

    Exit code 0: all promises kept; 1: cannot be read; 3: altered, not signed by a trusted key, or a graph computes
    something else here.

    \b
    edgeneuro verify myositis-int8.edge
    edgeneuro verify myositis-int8.edge --public-key clinic.pub
    """
    from edgeneuro.records import to_json
    from edgeneuro.runtime.verify import verify_file

    try:
        done = verify_file(engine, threads=threads, public_key=public_key)
    except EdgeNeuroError as error:
        if as_json:
            print_json({"path": str(engine), "ok": False, "error": str(error)})
        raise
    if as_json:
        print_json({"ok": True, "error": None, **to_json(done)})
        return
    print(f"{engine}: {done.members} members of {done.bytes:,} bytes in all, every hash matches the manifest")
    print(f"signature: {signature_in_words(done.signature)}")
    for graph in done.graphs:
        if graph.skipped is not None:
            print(f"{graph.path} on {graph.backend}: {graph.precision}, not run: {graph.skipped}")
        else:
            print(
                f"{graph.path} on {graph.backend}: {graph.precision}, golden outputs reproduced "
                f"(largest difference {graph.difference:.2g}, allowed {graph.tolerance:.2g})"
            )
