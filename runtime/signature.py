"""Ed25519 signatures (RFC 8032) of bundles: member signature.json, over the bytes of manifest.json.

The manifest holds the SHA-256 of every other member, so its signature covers all of them. signature.json is itself no
part of it: a file can be signed again without changing what was built.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from edgeneuro.errors import InputError, SignatureError
from edgeneuro.files import canonical_json, sha256
from edgeneuro.records import from_json, to_json

SIGNATURE = "signature.json"
MAX_SIGNATURE_BYTES = 1024
"""Of the member; it has 320."""
DOMAIN = b"edgeneuro manifest.json, signature schema 1\0"
"""Signed ahead of the manifest, so that no signature made for something else fits here, nor this one there."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Who signed, and the proof. key: `key_id` of the public key, 64 hex digits. signature: 128 hex digits, lower case."""

    schema: Literal[1] = 1
    algorithm: Literal["Ed25519"] = "Ed25519"
    key: str
    signature: str

    def __post_init__(self) -> None:
        for name, value, digits in (("key", self.key, 64), ("signature", self.signature, 128)):
            if not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
                raise InputError(f"{name}: got {value[:140]!r}, expected {digits} hex digits in lower case")

    @classmethod
    def of(cls, manifest: bytes, private: bytes) -> Signature:
        """manifest: the bytes of manifest.json. private: the 32 bytes of an Ed25519 private key."""
        return cls(key=key_id(public_of(private)), signature=sign(private, DOMAIN + manifest).hex())

    def covers(self, manifest: bytes, public: bytes) -> bool:
        """Whether the owner of `public` signed this manifest."""
        return self.key == key_id(public) and is_signed(public, DOMAIN + manifest, bytes.fromhex(self.signature))

    def to_bytes(self) -> bytes:
        """The member's content, canonical JSON."""
        return canonical_json(to_json(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Signature:
        """Raises SignatureError for whatever `to_bytes` would not have written."""
        remedy = "the file was altered, or signed by a later edgeneuro; copy it again, or build it again and sign it"
        if len(data) > MAX_SIGNATURE_BYTES:
            raise SignatureError(
                f"{SIGNATURE}: has {len(data):,} bytes, expected at most {MAX_SIGNATURE_BYTES:,}; {remedy}"
            )
        try:
            found = from_json(cls, json.loads(data), SIGNATURE)
        except (ValueError, RecursionError) as error:
            raise SignatureError(f"{SIGNATURE}: is not JSON ({error}); {remedy}") from error
        except InputError as error:
            raise SignatureError(f"{error}; {remedy}") from error
        if found.to_bytes() != data:
            raise SignatureError(f"{SIGNATURE}: is not in canonical form; {remedy}")
        return found


def key_id(public: bytes) -> str:
    """SHA-256 of the 32 bytes of a public key, hex."""
    return sha256(public)


def public_of(private: bytes) -> bytes:
    """The 32 bytes of the public key that belongs to the 32 bytes of a private one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def sign(private: bytes, message: bytes) -> bytes:
    """The 64 bytes of RFC 8032, 5.1.6."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(private).sign(message)


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """RFC 8032, 5.1.7; a second form of a valid signature is refused too."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True
