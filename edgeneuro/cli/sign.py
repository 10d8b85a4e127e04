"""edgeneuro sign: vouch for an .edge file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.cli.options import Force


def command(
    engine: Annotated[Path, typer.Argument(metavar="ENGINE", help="An .edge file.", show_default=False)],
    key: Annotated[Path, typer.Option("--key", metavar="NAME.key", help="As `keygen` made it.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.edge", help="Output.  [default: ENGINE itself]")
    ] = None,
    force: Force = False,
) -> None:
    """Sign an .edge file, in place of an earlier signature; nothing else in it changes, and nothing in it is executed.

    A file that was altered since it was built is refused.

    \b
    edgeneuro sign lung.edge --key clinic.key
    """
    from edgeneuro.files import refuse_existing, write_bytes
    from edgeneuro.runtime import read_untrusted
    from edgeneuro.runtime.bundle import sign_bundle
    from edgeneuro.runtime.keys import read_private_key
    from edgeneuro.runtime.signature import key_id, public_of

    if out is not None:
        refuse_existing(out, force=force)
    private = read_private_key(key)
    bundle = read_untrusted(engine)
    target = out or engine
    write_bytes(target if out else engine.resolve(), sign_bundle(bundle, private))  # behind a link, which stays one
    earlier = "" if bundle.signature is None else f", in place of the signature of key {bundle.signature.key[:16]}"
    print(f"{target}: signed by key {key_id(public_of(private))}{earlier}")
