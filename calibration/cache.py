"""Calibrated ranges and measured placements kept between builds, in the user's own cache folder.

One entry for each network name and method: it holds what it was made from, and is used only where all of that is the
same. What differs is named, and the entry is replaced. Nothing is executed and nothing but JSON is read.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from edgeneuro.errors import InputError, OutputError
from edgeneuro.files import write_json
from edgeneuro.records import from_json, to_json
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


def cache_folder() -> Path:
    """$EDGENEURO_CACHE, else edgeneuro's folder where the platform keeps caches ($XDG_CACHE_HOME, ~/.cache,
    ~/Library/Caches, %LOCALAPPDATA%)."""
    if "EDGENEURO_CACHE" in os.environ:
        return Path(os.environ["EDGENEURO_CACHE"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "edgeneuro" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "edgeneuro"
    told = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(told) if Path(told).is_absolute() else Path.home() / ".cache") / "edgeneuro"


def identity(feeds: Sequence[Feed]) -> str:
    """SHA-256 over names, shapes, types and values of all inputs, whatever the order of the frames."""
    digests = sorted(_digest(feed) for feed in feeds)
    return sha256(b"".join(digests)).hexdigest()


def load(name: str, key: CacheKey, folder: Path | None = None) -> Found:
    """The entry of the network `name` for key.method, if it was made from exactly what `key` says."""
    path = _path(name, key.method, folder)
    try:
        entry = from_json(_Entry, json.loads(path.read_bytes()), path.name)
    except FileNotFoundError:
        return Found()
    except (OSError, ValueError, InputError) as error:
        return Found(stale=f"the cached result cannot be read ({error})")
    differing = [field for field in _DIFFERENCES if getattr(entry.key, field) != getattr(key, field)]
    if differing:
        return Found(
            stale=f"the cached result is of {', '.join(_difference(field, entry.key, key) for field in differing)}"
        )
    return Found(value=entry.value)


def store(name: str, key: CacheKey, value: Any, folder: Path | None = None) -> str:
    """Keep a JSON `value`, in place of what was there. Returns "", or why it could not be kept: no cache is no error."""
    path = _path(name, key.method, folder)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        write_json(path, to_json(_Entry(key=key, value=value)))
    except (OSError, OutputError) as error:
        return f"nothing is cached ({error})"
    return ""


def _path(name: str, method: str, folder: Path | None) -> Path:
    """A readable file name, with a hash where letters were left out of it."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:60]
    tail = "" if plain == name else "-" + sha256(name.encode(errors="surrogateescape")).hexdigest()[:12]
    return (folder or cache_folder()) / "ranges" / f"{plain}{tail}.{method}.json"


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
