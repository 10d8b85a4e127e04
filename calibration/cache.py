"""Calibrated ranges and measured placements kept between builds, in the user's own cache folder.

One entry for each network name and method: it holds what it was made from, and is used only where all of that is the
same. What differs is named, and the entry is replaced. Nothing is executed and nothing but JSON is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from edgeneuro.cache import entry_path, read_entry, write_entry
from edgeneuro.spec import Feed

REVISION = 1
"""Raised when the same frames give other ranges than before."""

_DIFFERENCES = {
    "model": "another state of the network",
    "data": "other calibration frames",
    "preprocessing": "other preprocessing",
    "method": "another method",
    "libraries": "other versions",
    "settings": "other ranges or settings",
    "revision": "another revision of calibration",
}


@dataclass(frozen=True, kw_only=True)
class CacheKey:
    """What an entry depends on. model: SHA-256 of the float graph. data: of the calibration inputs, as `identity` makes it.
    preprocessing: its canonical text. method: of the ranges, or what was measured. libraries: name -> version of those
    that computed. settings: SHA-256 of what else a measurement depends on."""

    model: str
    data: str
    preprocessing: str
    method: str
    libraries: Mapping[str, str]
    revision: int = REVISION
    settings: str = ""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    key: CacheKey
    value: Any


@dataclass(frozen=True, kw_only=True)
class Found:
    """value: JSON as it was stored, None where there is no entry or a stale one. stale: what differs, for people."""

    value: Any = None
    stale: str = ""


def identity(feeds: Sequence[Feed]) -> str:
    """SHA-256 over names, shapes, types and values of all inputs, whatever the order of the frames."""
    digests = sorted(_digest(feed) for feed in feeds)
    return sha256(b"".join(digests)).hexdigest()


def load(name: str, key: CacheKey, folder: Path | None = None) -> Found:
    """The entry of the network `name` for key.method, if it was made from exactly what `key` says."""
    entry, unreadable = read_entry(_Entry, _path(name, key.method, folder))
    if entry is None:
        return Found(stale=unreadable)
    differing = [field for field in _DIFFERENCES if getattr(entry.key, field) != getattr(key, field)]
    if differing:
        return Found(
            stale=f"the cached result is of {', '.join(_difference(field, entry.key, key) for field in differing)}"
        )
    return Found(value=entry.value)


def store(name: str, key: CacheKey, value: Any, folder: Path | None = None) -> str:
    """Keep a JSON `value`, in place of what was there. Returns "", or why it could not be kept: no cache is no error."""
    return write_entry(_path(name, key.method, folder), _Entry(key=key, value=value))


def _path(name: str, method: str, folder: Path | None) -> Path:
    return entry_path("ranges", name, method, folder)


def _digest(feed: Feed) -> bytes:
    digest = sha256()
    for name in sorted(feed):
        array = feed[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.digest()


def _difference(field: str, old: CacheKey, new: CacheKey) -> str:
    if field != "libraries":
        return _DIFFERENCES[field]
    names = sorted(
        name for name in {*old.libraries, *new.libraries} if old.libraries.get(name) != new.libraries.get(name)
    )
    changes = [f"{name} {old.libraries.get(name, 'none')}, now {new.libraries.get(name, 'none')}" for name in names]
    return f"{_DIFFERENCES[field]} ({'; '.join(changes)})"
