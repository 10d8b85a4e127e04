"""Keys with known bytes, and bundles signed with them."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edgeneuro.runtime import read_untrusted
from edgeneuro.runtime.bundle import sign_bundle
from edgeneuro.runtime.signature import key_id, public_of

MAKER, STRANGER = b"\1" * 32, b"\2" * 32
"""Private keys."""
MAKER_ID, STRANGER_ID = key_id(public_of(MAKER)), key_id(public_of(STRANGER))


def write_public(path: Path, private: bytes) -> Path:
    """The .pub that belongs to `private`."""
    key = Ed25519PublicKey.from_public_bytes(public_of(private))
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    path.chmod(0o644)
    return path


def sign_file(path: Path, private: bytes = MAKER) -> Path:
    """Sign the .edge file in place."""
    path.write_bytes(sign_bundle(read_untrusted(path), private))
    return path
