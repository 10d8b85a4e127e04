"""Work that may crash the process, or fill it with a large library, done in a child process."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import edgeneuro
from edgeneuro.errors import BackendError

_ROOT = Path(edgeneuro.__file__).resolve().parents[1]
"""Where the package lies. The child starts here: from the user's folder, `python -m` would import what lies in it."""


def run_child(
    what: str,
    module: str,
    arguments: tuple[str, ...],
    data: bytes,
    *,
    timeout_s: float,
    progress: Callable[[str], None] | None = None,
    lighter: str = "try another backend, or fp32",
) -> bytes:
    """Run `python -m module arguments` with `data` on its standard input; returns what it wrote to standard output.

    what: the library and what it does, for messages. progress: gets every line of standard output as it comes, in this
    thread. lighter: what to do for work that needs less time and memory, for messages.
    Raises BackendError when the child crashes, is killed, ends with an error or takes longer than `timeout_s`. It never
    outlives this call, whatever ends it.
    """
    command = [sys.executable, "-m", module, *arguments]
    pipe = subprocess.PIPE
    try:
        child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=_ROOT)
    except OSError as error:
        raise BackendError(f"{what}: no child process can be started ({error}); free some memory") from error
    try:
        output, said = _talk(child, data, time.monotonic() + timeout_s, progress)
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"{what}: did not finish in {timeout_s:g} s in a child process; {lighter}") from error
    finally:
        child.kill()
        child.wait()
    if child.returncode < 0 and _signal_name(-child.returncode) == "SIGKILL":
        raise BackendError(
            f"{what}: was killed in a child process, most likely because memory ran out; free some memory, or {lighter}"
        )
    if child.returncode < 0:
        raise BackendError(
            f"{what}: crashed with {_signal_name(-child.returncode)}, in a child process; try another backend or "
            "precision, or another version of the library"
        )
    if child.returncode > 0:
        lines = said.decode(errors="replace").strip().splitlines() or [f"exit code {child.returncode}"]
        raise BackendError(f"{what}: failed in a child process ({lines[-1]}); run `edgeneuro doctor`")
    return output


def _talk(
    child: subprocess.Popen[bytes], data: bytes, deadline: float, progress: Callable[[str], None] | None
) -> tuple[bytes, bytes]:
    """(standard output, standard error) once the child has ended. Raises TimeoutExpired.

    The three pipes have a thread each, since one that is full would stop the child.
    """
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    lines: queue.Queue[bytes] = queue.Queue()
    errors: list[bytes] = []
    threads = [
        threading.Thread(target=_feed, args=(child.stdin, data), daemon=True),
        threading.Thread(target=_read_lines, args=(child.stdout, lines), daemon=True),
        threading.Thread(target=_read_all, args=(child.stderr, errors), daemon=True),
    ]
    for thread in threads:
        thread.start()
    output: list[bytes] = []
    while True:
        try:
            line = lines.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty as error:
            raise subprocess.TimeoutExpired(child.args, deadline) from error
        if not line:
            break
        output.append(line)
        if progress is not None:
            progress(line.decode(errors="replace").rstrip())
    child.wait(timeout=max(deadline - time.monotonic(), 0))
    for thread in threads:
        thread.join()
    return b"".join(output), b"".join(errors)


def _feed(pipe: IO[bytes], data: bytes) -> None:
    with suppress(OSError), pipe:  # a child that ends early says why by other means
        pipe.write(data)


def _read_lines(pipe: IO[bytes], lines: queue.Queue[bytes]) -> None:
    """An empty line, without even its end, is the last one."""
    with pipe:
        for line in pipe:
            lines.put(line)
    lines.put(b"")


def _read_all(pipe: IO[bytes], read: list[bytes]) -> None:
    with pipe:
        read.append(pipe.read())


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
