"""edgeneuro keygen: a key to sign .edge files with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from edgeneuro.cli.options import Force
from edgeneuro.errors import UsageError


def command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of the files NAME.key and NAME.pub.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for both files.")] = Path(),
    force: Force = False,
) -> None:
    """Make a key pair: NAME.key signs .edge files and stays with you, NAME.pub goes to every device that trusts you.

    The private key has no passphrase: only its file permissions protect it. See docs/signing.md.

    \b
    edgeneuro keygen clinic
    edgeneuro sign lung.edge --key clinic.key
    """
    from edgeneuro.runtime.keys import write_key_pair

    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        raise UsageError(
            f"NAME {name!r}: is no plain file name, expected ASCII letters, digits, '.', '_' and '-'; give the folder as --out"
        )
    private, public, key = write_key_pair(out, name, force=force)
    print(f"key {key}")
    print(f"{private}: private, signs engines; keep it off the devices, with a copy in a safe place")
    print(f"{public}: public; on each (Linux) device that is to run only what you signed:")
    print(f"  sudo install -D -m 644 {public.name} /etc/edgeneuro/trusted-keys/{public.name}")
