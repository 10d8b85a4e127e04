"""A bundle: the manifest and the members it vouches for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgeneuro.errors import BundleError, IntegrityError
from edgeneuro.files import canonical_json, sha256
from edgeneuro.manifest import Manifest
from edgeneuro.runtime.container import MANIFEST, read_container, serialise

GOLDEN = "golden.npz"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What an .edge file holds, verified. members: name -> content, without manifest.json."""

    manifest: Manifest
    members: Mapping[str, bytes]


def read_bundle(path: Path) -> Bundle:
    """Read and verify `path`: the canonical container, the manifest's form, and the hash of every member.

    Raises BundleError for what cannot be read, IntegrityError for what differs from the manifest.
    """
    members = read_container(path)
    data = members.pop(MANIFEST)
    try:
        manifest = Manifest.from_bytes(data)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    except RecursionError as error:
        raise BundleError(f"{path}: {MANIFEST} is nested too deeply; build the engine again") from error
    if not _is_canonical(data):
        raise IntegrityError(f"{path}: {MANIFEST} is not in canonical form; it was edited, copy the original file")
    _check_members(manifest, members, path)
    return Bundle(manifest=manifest, members=members)


def pack_bundle(manifest: Manifest, members: Mapping[str, bytes]) -> bytes:
    """The bytes of an .edge file. `manifest.files` is filled in from `members`.

    Raises BundleError when a graph or the golden outputs are missing from `members`.
    """
    hashes = {name: sha256(members[name]) for name in sorted(members)}
    manifest = replace(manifest, files=hashes)
    _check_graphs(manifest, members, "bundle")
    return serialise({**members, MANIFEST: manifest.to_bytes()})


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
    for name in (GOLDEN, *(graph.path for graph in manifest.graphs)):
        if name not in members:
            raise BundleError(f"{where}: has no member {name!r}; build the engine again")
