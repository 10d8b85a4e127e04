"""A passed comparison kept in the bundle it is about, as member certificate.json."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from edgeneuro.benchmarks.compare.records import SCHEMA, Comparison, Executable
from edgeneuro.errors import BundleError, ComparisonError, InputError, OutputError, UsageError
from edgeneuro.files import canonical_json, write_bytes
from edgeneuro.records import from_json, to_json
from edgeneuro.runtime import Bundle, pack_bundle, read_untrusted

CERTIFICATE = "certificate.json"

log = logging.getLogger("edgeneuro")


def bundle_to_certify(paths: Sequence[Path], *, force: bool) -> Path:
    """The one .edge file among `paths`, before anything is measured.

    force: a signature may be dropped. Raises UsageError for none or several, OutputError for a signed one.
    """
    engines = [path for path in paths if path.suffix == ".edge"]
    if len(engines) != 1:
        raise UsageError(f"--certify: got {len(engines)} .edge files, expected one, which is to hold the certificate")
    if not force and read_untrusted(engines[0]).signature is not None:
        raise OutputError(
            f"{engines[0]}: is signed, and a certificate would change what was signed; give --force to drop the signature, "
            "then sign it again"
        )
    return engines[0]


def certify(path: Path, done: Comparison) -> None:
    """Put `done` into the bundle, in place of an earlier certificate, the file replaced as a whole; a signature goes.

    Raises ComparisonError unless `done` passed, OutputError where the file has changed since it was compared.
    """
    if done.verdict != "pass":
        raise ComparisonError(f"{path}: not certified, since the verdict is {done.verdict}; only a pass is kept")
    bundle = read_untrusted(path)
    for one in _executables(done):
        if one.kind == "engine" and bundle.manifest.files.get(str(one.graph)) != one.sha256:
            raise OutputError(
                f"{path}: {one.graph} is not what was compared, the file has changed since; compare again"
            )
    if bundle.signature is not None:
        log.warning("%s: its signature is dropped, since it does not cover the certificate; sign it again", path)
    members = {**bundle.members, CERTIFICATE: canonical_json(to_json(done))}
    write_bytes(path, pack_bundle(bundle.manifest, members))


def certificate_of(bundle: Bundle, where: str) -> Comparison | None:
    """What the bundle was certified by, None where it was not. where: the bundle, for messages.

    Raises BundleError for one that this version cannot read, or that is about other graphs.
    """
    data = bundle.members.get(CERTIFICATE)
    if data is None:
        return None
    try:
        value = json.loads(data)
        if isinstance(value, dict) and value.get("schema") != SCHEMA:
            raise InputError(f"{CERTIFICATE}: has schema {value.get('schema')}, this edgeneuro reads {SCHEMA}")
        found = from_json(Comparison, value, CERTIFICATE)
    except (ValueError, InputError) as error:
        raise BundleError(f"{where}: {error}; compare and certify it again with this version") from error
    for one in _executables(found):
        if one.kind == "engine" and bundle.manifest.files.get(str(one.graph)) != one.sha256:
            raise BundleError(f"{where}: {CERTIFICATE} is about another {one.graph}; compare and certify it again")
    return found


def _executables(done: Comparison) -> list[Executable]:
    return [done.reference, *(one.executable for one in done.executables)]
