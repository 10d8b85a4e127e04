"""Whose engines this device runs: keys installed in a folder of the system, and in one of the user.

Where a key is installed, only engines signed by an installed key are let in. Where none is, signatures are not asked
for. Whatever is doubtful about the folders or the keys refuses every engine, rather than letting one in.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeneuro.errors import InputError, SignatureError
from edgeneuro.runtime.keys import parse_public_key, read_key_file, read_public_key
from edgeneuro.runtime.signature import Signature, key_id

SYSTEM_FOLDER = Path(
    {
        "win32": "C:/ProgramData/edgeneuro/trusted-keys",
        "darwin": "/Library/Application Support/edgeneuro/trusted-keys",
    }.get(sys.platform, "/etc/edgeneuro/trusted-keys")
)
"""Always counts, whatever the environment says."""

FLAGS = {"unsigned": "unsigned", "untrusted": "untrusted_signature"}
"""What was let in all the same -> flag of every result."""

State = Literal["trusted", "unsigned", "untrusted", "invalid", "unchecked", "unasked"]

log = logging.getLogger("edgeneuro")


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """raw: its 32 bytes. file: where it is installed."""

    raw: bytes
    file: Path


TrustedKeys = Mapping[str, PublicKey]
"""By key id."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What the installed keys say of a bundle. state: "trusted", signed by one of them; "unsigned"; "untrusted", signed by
    another key; "invalid", the signature of one of them does not fit; "unchecked", no key is installed;
    "unasked", nobody asked, so no member may reach a backend. key: id that the signature names, None where there is no signature. key_file: of the installed key."""

    state: State = "unasked"
    key: str | None = None
    key_file: str | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """Of every result."""
        return (FLAGS[self.state],) if self.state in FLAGS else ()


def user_folder() -> Path | None:
    """$EDGENEURO_TRUSTED_KEYS, else trusted-keys/ in edgeneuro's folder where the platform keeps settings
    ($XDG_CONFIG_HOME, ~/.config, ~/Library/Application Support, %APPDATA%); None for a user without a home."""
    if os.environ.get("EDGENEURO_TRUSTED_KEYS"):
        return Path(os.environ["EDGENEURO_TRUSTED_KEYS"])
    told = os.environ.get("APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME", "")
    if sys.platform != "darwin" and Path(told).is_absolute():
        return Path(told) / "edgeneuro" / "trusted-keys"
    below = {"win32": "AppData/Roaming", "darwin": "Library/Application Support"}.get(sys.platform, ".config")
    try:
        return Path.home() / below / "edgeneuro" / "trusted-keys"
    except RuntimeError:
        return None


def trusted_keys() -> TrustedKeys:
    """Every *.pub in both folders.

    Raises SignatureError: a folder that $EDGENEURO_TRUSTED_KEYS names is missing, a folder or a key cannot be read, is no
    key, or can be changed by others than its user and the administrator.
    """
    told = bool(os.environ.get("EDGENEURO_TRUSTED_KEYS"))
    user = user_folder()
    keys = _installed(SYSTEM_FOLDER, required=False)
    return keys if user is None else {**_installed(user, required=told), **keys}


def key_from(path: Path) -> TrustedKeys:
    """The one key in `path`, in place of the installed ones. Raises InputError."""
    raw = read_public_key(path)
    return {key_id(raw): PublicKey(raw=raw, file=path)}


def weigh(signature: Signature | None, manifest: bytes, keys: TrustedKeys) -> Trust:
    """What `keys` say of a bundle with this signature and these bytes of manifest.json."""
    named = None if signature is None else signature.key
    if not keys:
        return Trust(state="unchecked", key=named)
    if signature is None:
        return Trust(state="unsigned")
    if signature.key not in keys:
        return Trust(state="untrusted", key=named)
    key = keys[signature.key]
    state: State = "trusted" if signature.covers(manifest, key.raw) else "invalid"
    return Trust(state=state, key=named, key_file=str(key.file))


def admit(trust: Trust, where: str, keys: TrustedKeys, *, allow_unsigned: bool) -> None:
    """Raise SignatureError unless the bundle `where` may run; warn where it may only because of `allow_unsigned`."""
    if trust.state == "invalid":
        raise SignatureError(
            f"{where}: names the trusted key {trust.key_file} as its signer, but its signature does not fit its content; "
            "the file was altered or its signature is another file's: copy it again from where it was signed"
        )
    if trust.state in ("trusted", "unchecked"):
        return
    said = (
        "is not signed" if trust.state == "unsigned" else f"is signed by key {str(trust.key)[:16]}, not a trusted one"
    )
    trusted = ", ".join(f"{key.file} (key {name[:16]})" for name, key in sorted(keys.items()))
    if not allow_unsigned:
        raise SignatureError(
            f"{where}: {said}; only engines signed by these keys run here: {trusted}; have it signed with one of them "
            "(edgeneuro sign), install the .pub of its signer if you trust that one, or run it all the same with "
            "--allow-unsigned"
        )
    log.warning("%s: %s (trusted: %s); it runs because unsigned engines are allowed", where, said, trusted)


def _installed(folder: Path, *, required: bool) -> dict[str, PublicKey]:
    try:
        names = sorted(os.listdir(folder))
        _check_safe(folder, folder.stat())
        _check_parents(folder)
    except FileNotFoundError as error:
        if broken := next(
            (part for part in (folder, *folder.parents) if part.is_symlink() and not part.exists()), None
        ):
            raise SignatureError(
                f"{broken}: is a link to nowhere in the place of the folder of trusted keys, so no engine is trusted; "
                "correct or remove it"
            ) from error
        if required:
            raise SignatureError(
                f"{folder}: does not exist, but $EDGENEURO_TRUSTED_KEYS names it as the folder of trusted keys; make it, or "
                "correct or unset the variable"
            ) from error
        return {}
    except OSError as error:
        raise SignatureError(
            f"{folder}: the folder of trusted keys cannot be read ({error.strerror or error}), so no engine is trusted; "
            "check its permissions"
        ) from error
    return dict(_key(folder / name) for name in names if name.lower().endswith(".pub"))


def _key(path: Path) -> tuple[str, PublicKey]:
    expected = (
        "expected a NAME.pub that `edgeneuro keygen` made; replace it, or take it out of the folder of trusted keys"
    )
    try:
        data, found = read_key_file(path, expected)
        _check_safe(path, found)
        raw = parse_public_key(data, path, expected)
    except InputError as error:
        raise SignatureError(str(error)) from error
    return key_id(raw), PublicKey(raw=raw, file=path)


def _check_parents(folder: Path) -> None:
    """Who can rename the folder of trusted keys away leaves a device on which no key is installed."""
    for parent in dict.fromkeys((*folder.absolute().parents, *folder.resolve().parents)):
        found = parent.stat()
        if not found.st_mode & stat.S_ISVTX:  # as /tmp has: others cannot rename what lies there
            _check_safe(parent, found)


def _check_safe(path: Path, found: os.stat_result) -> None:
    """Who can write a folder of trusted keys, or a key in it, decides what runs."""
    if os.name != "posix":
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o022:
        raise SignatureError(
            f"{path}: has mode {mode:o}, so others can change which keys are trusted; run: chmod go-w {path}"
        )
    if found.st_uid not in (0, os.geteuid()):
        raise SignatureError(
            f"{path}: belongs to user {found.st_uid}, who can change which keys are trusted, expected root or user "
            f"{os.geteuid()}; run: chown {os.geteuid()} {path}"
        )
