"""Key files: NAME.key, private to its owner (PKCS #8), and NAME.pub, for everybody (SubjectPublicKeyInfo); both PEM."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edgeneuro.errors import InputError
from edgeneuro.files import refuse_existing, write_bytes
from edgeneuro.runtime.signature import key_id, public_of

MAX_KEY_BYTES = 4096
"""Of a file; a private key has 119, a public one 113."""


def write_key_pair(folder: Path, name: str, *, force: bool = False) -> tuple[Path, Path, str]:
    """Make a key: `folder`/NAME.key, which only its owner can read from its first byte on, and `folder`/NAME.pub.

    Returns both paths and the key's id. Raises OutputError where one exists, unless `force`, or cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    for path in (private, public):
        refuse_existing(path, force=force)
    made = Ed25519PrivateKey.generate()
    write_bytes(private, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), private=True)
    write_bytes(public, made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public, key_id(public_of(made.private_bytes_raw()))


def read_private_key(path: Path) -> bytes:
    """Its 32 bytes. Raises InputError: unreadable, no Ed25519 key, encrypted, or readable by others than its owner."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    expected = f"expected a NAME.key that `edgeneuro keygen` made (an Ed25519 key, at most {MAX_KEY_BYTES:,} bytes)"
    data, found = read_key_file(path, expected)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise InputError(f"{path}: is no private key ({error}); {expected}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path}: is another kind of key; {expected}")
    if os.name == "posix" and stat.S_IMODE(found.st_mode) & 0o077:
        raise InputError(
            f"{path}: has mode {stat.S_IMODE(found.st_mode):o}, so others can read or change this private key, expected "
            f"600; run: chmod 600 {path}; where others may have read it, make a new key"
        )
    return key.private_bytes_raw()


def read_public_key(path: Path) -> bytes:
    """Its 32 bytes. Raises InputError: unreadable, or no Ed25519 key."""
    expected = f"expected a NAME.pub that `edgeneuro keygen` made (an Ed25519 key, at most {MAX_KEY_BYTES:,} bytes)"
    return parse_public_key(read_key_file(path, expected)[0], path, expected)


def parse_public_key(data: bytes, path: Path, expected: str) -> bytes:
    """The 32 bytes of the key in the PEM file `path`, which holds `data`. Raises InputError, which says what is `expected`."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if data.count(b"-----BEGIN ") > 1:
        raise InputError(f"{path}: holds more than one key, of which only the first would count; {expected}")
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path}: is no public key ({error}); {expected}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path}: is another kind of key; {expected}")
    return key.public_bytes_raw()


def read_key_file(path: Path, expected: str) -> tuple[bytes, os.stat_result]:
    """A small file and whose it is, of one and the same opening; never blocks on a pipe. Raises InputError."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(MAX_KEY_BYTES + 1) if stat.S_ISREG(found.st_mode) else b""
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); {expected}") from error
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: is not a file; {expected}")
    if len(data) > MAX_KEY_BYTES:
        raise InputError(f"{path}: is too large; {expected}")
    return data, found
