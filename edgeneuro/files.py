"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeneuro.errors import OutputError


def sha256(data: bytes) -> str:
    """Hex digest of `data`."""
    return hashlib.sha256(data).hexdigest()


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise OutputError when `path` exists and `force` is not given."""
    if path.exists() and not force:
        raise OutputError(f"{path}: exists already; give --force to replace it, or another name")


@contextmanager
def atomic_path(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A temporary name beside `path`; what was written there is synced and renamed at the end.

    private: only its owner can read it, from the start.

    On any exception, interrupts included, the temporary file is removed and `path` is untouched.
    Raises OutputError when the folder cannot be written or the disk is full.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        if not private:  # which a temporary file is
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OutputError(
                f"{path}: the disk is full; nothing was written, free some space and run again"
            ) from error
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}); choose another --out") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its place at the end, or goes on any exception, interrupts included.

    Raises OutputError when the folder cannot be written or the disk is full.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        new, old = temporary / "new", temporary / "old"
        new.mkdir()
        yield new
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
    except OSError as error:
        full = error.errno == errno.ENOSPC
        reason = "the disk is full" if full else f"cannot be written ({error.strerror or error})"
        raise OutputError(f"{path}: {reason}; nothing was written, choose another --out") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; a no-op where folders cannot be opened (Windows)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(handle)


def write_bytes(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace `path` by `data`, atomically. private: only its owner can read it. Raises OutputError."""
    with atomic_path(path, private=private) as temporary:
        temporary.write_bytes(data)


def canonical_json(value: Any) -> bytes:
    """The one byte form of a JSON value: sorted keys, two-space indent, UTF-8, a final newline.

    Raises ValueError for NaN and infinity, which JSON does not have.
    """
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def write_json(path: Path, value: Any) -> None:
    """Write `value` in canonical form, atomically. Raises OutputError."""
    write_bytes(path, canonical_json(value))
