"""What is kept between runs, in the user's own cache folder: JSON records, private to the user.

Nothing but JSON is read and nothing is executed. No cache is no error: what cannot be read or kept is said, not raised.
"""

from __future__ import annotations

import json
import os
import re
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from edgeneuro.errors import InputError, OutputError
from edgeneuro.files import write_json
from edgeneuro.records import from_json, to_json

Record = TypeVar("Record")


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


def entry_path(room: str, name: str, ending: str, folder: Path | None = None) -> Path:
    """`room`/NAME.`ending`.json in the cache: a readable file name, with a hash where letters were left out of it.

    folder: None takes `cache_folder()`.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:60]
    tail = "" if plain == name else "-" + sha256(name.encode(errors="surrogateescape")).hexdigest()[:12]
    return (folder or cache_folder()) / room / f"{plain}{tail}.{ending}.json"


def read_entry(kind: type[Record], path: Path) -> tuple[Record | None, str]:
    """The record kept at `path`, or None and why it cannot be used, "" where nothing was kept."""
    try:
        return from_json(kind, json.loads(path.read_bytes()), path.name), ""
    except FileNotFoundError:
        return None, ""
    except (OSError, ValueError, RecursionError, InputError) as error:
        return None, f"the cached result cannot be read ({error})"


def write_entry(path: Path, record: Any) -> str:
    """Keep a record, in place of what was there. Returns "", or why it could not be kept."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        write_json(path, to_json(record))
    except (OSError, OutputError) as error:
        return f"nothing is cached ({error})"
    return ""
