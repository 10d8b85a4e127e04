"""Files of the private cache that hold executable content: authenticated, since whoever could change one could run code.

An entry is one file: a magic line, an HMAC-SHA256 and the payload. The key is made once on this machine and readable by
its user only. It keeps out what was put or changed there by anyone else, or by a failing disk; it does not keep out a
program that runs as this very user, which could as well change this package.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from edgeneuro.cache import cache_folder
from edgeneuro.errors import OutputError
from edgeneuro.files import atomic_path

MAX_ENTRY_BYTES = 4 << 30
"""Far above any engine of this package's models."""

_MAGIC = b"edgeneuro vault 1\n"
_TAG_BYTES = 32
_KEY_BYTES = 32
_POSIX = os.name == "posix"
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Vault:
    """Entries by name in `folder`/engines, with their key in `folder`/engines.key.

    folder: None takes `edgeneuro.cache.cache_folder()`. An entry that cannot be trusted is as good as none: every method
    returns the reason in words instead of raising.
    """

    def __init__(self, folder: Path | None = None) -> None:
        root = folder or cache_folder()
        self.entries, self._key_path = root / "engines", root / "engines.key"

    def read(self, name: str) -> tuple[memoryview | None, str]:
        """The payload kept as `name`; or None and why it is refused, "" where nothing was kept.

        It is read once, and what is returned is the very buffer that was authenticated.
        """
        path = self.entries / name
        try:
            self._check_folder()
            content = _read_private(path, limit=MAX_ENTRY_BYTES)
            key = self._read_key()
        except FileNotFoundError as error:
            keyless = error.filename == str(self._key_path)
            return None, f"{path}: the key it was kept with is gone" if keyless else ""
        except OSError as error:
            return None, str(error)
        head = len(_MAGIC) + _TAG_BYTES
        payload = memoryview(content)[head:]
        tag = _tag(key, name, (payload,))
        if content[: len(_MAGIC)] != _MAGIC or not hmac.compare_digest(tag, content[len(_MAGIC) : head]):
            return None, f"{path}: it is not what was kept there, changed or damaged"
        return payload, ""

    def write(self, name: str, *parts: bytes) -> str:
        """Keep `parts`, one after the other, as `name`, in place of what was there. Returns "", or why they are not kept."""
        try:
            self.entries.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_folder()
            key = self._make_key()
            with atomic_path(self.entries / name) as temporary, temporary.open("wb") as file:
                for part in (_MAGIC, _tag(key, name, parts), *parts):
                    file.write(part)
        except (OSError, OutputError) as error:
            return str(error)
        return ""

    def _check_folder(self) -> None:
        found = self.entries.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise PermissionError(f"{self.entries}: is a link or a file, expected a folder; remove it")
        _check_owner(self.entries, found, others=0o022)

    def _read_key(self) -> bytes:
        key = _read_private(self._key_path, limit=_KEY_BYTES, others=0o077)
        if len(key) != _KEY_BYTES:
            raise PermissionError(f"{self._key_path}: has {len(key)} bytes, expected {_KEY_BYTES}; remove it")
        return key

    def _make_key(self) -> bytes:
        """The key, made where there is none: a whole file of random bytes gets its name, unless another was faster."""
        if not self._key_path.exists():
            # mkstemp's files are readable by their user only
            handle, name = tempfile.mkstemp(prefix=".engines.key.", dir=self._key_path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(secrets.token_bytes(_KEY_BYTES))
                    file.flush()
                    os.fsync(file.fileno())
                os.link(name, self._key_path)
            except FileExistsError:
                pass
            finally:
                os.unlink(name)
        return self._read_key()


def _tag(key: bytes, name: str, parts: Iterable[bytes | memoryview]) -> bytes:
    """Over the format, the name of the entry and its payload: no entry passes for another."""
    code = hmac.new(key, _MAGIC + name.encode() + b"\0", sha256)
    for part in parts:
        code.update(part)
    return code.digest()


def _read_private(path: Path, *, limit: int, others: int = 0) -> bytes:
    """A regular file of this user, no link, of at most `limit` bytes. Raises OSError.

    others: permission bits that nobody else may have.
    """
    handle = os.open(path, _READ)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise PermissionError(f"{path}: is no regular file; remove it")
        _check_owner(path, found, others)
        if found.st_size > limit:
            raise PermissionError(f"{path}: has {found.st_size:,} bytes, expected at most {limit:,}; remove it")
        return file.read(limit)


def _check_owner(path: Path, found: os.stat_result, others: int) -> None:
    """Windows has no such bits: there the user's profile folder is private by itself."""
    if not _POSIX:
        return
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{path}: belongs to another user (id {found.st_uid}), expected yours; remove it")
    if found.st_mode & others:
        raise PermissionError(
            f"{path}: is open to others (mode {stat.S_IMODE(found.st_mode):03o}), expected one of yours alone; "
            f"run: chmod go-rwx {path}"
        )
