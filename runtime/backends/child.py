"""Work that may crash the process, or fill it with a large library, done in a child process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import edgeneuro
from edgeneuro.errors import BackendError

_ROOT = Path(edgeneuro.__file__).resolve().parents[1]
"""Where the package lies. The child starts here: from the user's folder, `python -m` would import what lies in it."""


def run_child(what: str, module: str, arguments: tuple[str, ...], data: bytes, *, timeout_s: float) -> bytes:
    """Run `python -m module arguments` with `data` on its standard input; returns what it wrote to standard output.

    what: the library and what it does, for messages. Raises BackendError when the child crashes, ends with an error or
    takes longer than `timeout_s`.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            input=data,
            capture_output=True,
            cwd=_ROOT,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError(
            f"{what}: did not finish in {timeout_s:g} s in a child process; try another backend, or fp32"
        ) from error
    except OSError as error:
        raise BackendError(f"{what}: no child process can be started ({error}); free some memory") from error
    if done.returncode < 0:
        raise BackendError(
            f"{what}: crashed with {_signal_name(-done.returncode)}, in a child process; try another backend or "
            "precision, or another version of the library"
        )
    if done.returncode > 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise BackendError(f"{what}: failed in a child process ({lines[-1]}); run `edgeneuro doctor`")
    return done.stdout


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
