"""A bundle: the manifest and the members it vouches for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgeneuro.errors import BundleError, IntegrityError, SignatureError
from edgeneuro.files import canonical_json, sha256
from edgeneuro.manifest import Manifest
from edgeneuro.runtime.container import MANIFEST, read_container, serialise
from edgeneuro.runtime.signature import SIGNATURE, Signature
from edgeneuro.runtime.trust import Trust, TrustedKeys, admit, trusted_keys, weigh

GOLDEN = "golden.npz"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What an .edge file holds, verified. members: name -> content, without manifest.json and signature.json. manifest_json:
    the bytes that a signature covers. trust: what the installed keys say of it."""

    manifest: Manifest
    members: Mapping[str, bytes]
    manifest_json: bytes = b""
    signature: Signature | None = None
    trust: Trust = field(default_factory=Trust)


def read_bundle(path: Path, *, allow_unsigned: bool = False, keys: TrustedKeys | None = None) -> Bundle:
    """Read and verify `path`: container, manifest, the hash of every member, and where keys are installed, its signature.

    allow_unsigned: let in, with a warning, what no trusted key has signed. keys: to trust instead of the installed ones.
    Raises BundleError for what cannot be read, IntegrityError for what differs from the manifest, SignatureError for what
    must not run here.
    """
    trusted = trusted_keys() if keys is None else keys
    bundle = read_untrusted(path)
    trust = weigh(bundle.signature, bundle.manifest_json, trusted)
    admit(trust, str(path), trusted, allow_unsigned=allow_unsigned)
    return replace(bundle, trust=trust)


def read_untrusted(path: Path) -> Bundle:
    """The same, whoever signed it: to show a bundle or to sign it. No member of it may reach a backend.

    Raises BundleError, IntegrityError, and SignatureError for a member signature.json that has not the form of one.
    """
    members = read_container(path)
    data, signature_json = members.pop(MANIFEST), members.pop(SIGNATURE, None)
    try:
        manifest = Manifest.from_bytes(data)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    except RecursionError as error:
        raise BundleError(f"{path}: {MANIFEST} is nested too deeply; build the engine again") from error
    if not _is_canonical(data):
        raise IntegrityError(f"{path}: {MANIFEST} is not in canonical form; it was edited, copy the original file")
    _check_members(manifest, members, path)
    try:
        signature = None if signature_json is None else Signature.from_bytes(signature_json)
    except SignatureError as error:
        raise SignatureError(f"{path}: {error}") from error
    return Bundle(manifest=manifest, members=members, manifest_json=data, signature=signature)


def pack_bundle(manifest: Manifest, members: Mapping[str, bytes]) -> bytes:
    """The bytes of an .edge file. `manifest.files` is filled in from `members`.

    Raises BundleError when a graph, an engine or the golden outputs are missing from `members`, or an engine's graph.
    """
    hashes = {name: sha256(members[name]) for name in sorted(members)}
    manifest = replace(manifest, files=hashes)
    _check_graphs(manifest, members, "bundle")
    return serialise({**members, MANIFEST: manifest.to_bytes()})


def sign_bundle(bundle: Bundle, private: bytes) -> bytes:
    """The bytes of the same .edge file signed by `private`, an Ed25519 key of 32 bytes, in place of an earlier signature."""
    signature = Signature.of(bundle.manifest_json, private)
    return serialise({**bundle.members, MANIFEST: bundle.manifest_json, SIGNATURE: signature.to_bytes()})


def _is_canonical(data: bytes) -> bool:
    """Whether this JSON has no second way to be read: no repeated key, no NaN, no spare whitespace."""
    try:
        return canonical_json(json.loads(data)) == data
    except ValueError:  # NaN or infinity
        return False


def _check_members(manifest: Manifest, members: Mapping[str, bytes], path: Path) -> None:
    unlisted = sorted(set(members) - set(manifest.files))
    if unlisted:
        raise IntegrityError(
            f"{path}: member {unlisted[0]!r} is not in the manifest; the file was altered, copy it again"
        )
    for name, expected in manifest.files.items():
        if name not in members:
            raise IntegrityError(
                f"{path}: member {name!r} of the manifest is missing; the file was altered, copy it again"
            )
        got = sha256(members[name])
        if got != expected:
            raise IntegrityError(
                f"{path}: member {name!r} has SHA-256 {got[:16]}..., the manifest says {expected[:16]}...; "
                "the file was altered, copy it again"
            )
    _check_graphs(manifest, members, str(path))


def _check_graphs(manifest: Manifest, members: Mapping[str, bytes], where: str) -> None:
    if not manifest.graphs:
        raise BundleError(f"{where}: names no graph; build the engine again")
    graphs = [graph.path for graph in manifest.graphs]
    for name in (GOLDEN, *graphs, *(engine.path for engine in manifest.engines)):
        if name not in members:
            raise BundleError(f"{where}: has no member {name!r}; build the engine again")
    for engine in manifest.engines:
        if engine.graph not in graphs:
            raise BundleError(
                f"{where}: {engine.path} was built from {engine.graph!r}, which is none of the graphs; build the engine again"
            )
