"""The container of a bundle: a zip of stored members that has exactly one byte form.

Members follow each other in a fixed order (manifest.json, then the rest by name), uncompressed, with a fixed date,
fixed attributes, no extra fields, no comment. Reading writes the same members again and compares, so that nothing a
reader of the manifest does not see can differ: no second member of the same name, no bytes before, between or after.
The writer follows PKWARE's APPNOTE 6.3.10 and is our own: the bytes must not depend on the version of a library.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

from edgeneuro.errors import BundleError, IntegrityError

MANIFEST = "manifest.json"

MAX_FILE_BYTES = 2**31 - 1
"""Zip without 64-bit fields, and onnx files, end here."""
MAX_MEMBERS = 256
MAX_NAME_CHARS = 128
MAX_DIRECTORY_BYTES = MAX_MEMBERS * (46 + MAX_NAME_CHARS)
"""Checked before the directory is read: each of its entries has 46 bytes and a name."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_VERSION = 20  # APPNOTE 4.4.3: 2.0, the least that every reader knows
_MADE_ON_UNIX = 3 << 8 | _VERSION
_DATE, _TIME = 0x0021, 0  # 1980-01-01 00:00:00, the earliest a zip can say
_END, _END_BYTES = b"PK\5\6", 22
_END_64, _END_64_BYTES = b"PK\6\7", 20
_ATTRIBUTES = (stat.S_IFREG | 0o644) << 16


def serialise(members: Mapping[str, bytes]) -> bytes:
    """The one byte form of `members`, name -> content. Raises BundleError for a name or size a bundle cannot hold."""
    _check_names(list(members), "bundle")
    total = sum(len(data) for data in members.values())
    if total > MAX_FILE_BYTES - MAX_MEMBERS * 1024:
        raise BundleError(f"bundle: got {total:,} bytes, expected at most {MAX_FILE_BYTES:,}; use a smaller network")
    return b"".join(_pieces(members))


def read_container(path: Path) -> dict[str, bytes]:
    """Members of the file `path`, name -> content, from one read.

    Raises BundleError for what is not a whole container (missing, truncated, no zip, too large) and IntegrityError
    for a zip that is not in canonical form, which is what an edited file is.
    """
    data = _read_once(path)
    members = _parse(data, path)
    offset = 0
    for piece in _pieces(members):
        if not data.startswith(piece, offset):
            raise IntegrityError(f"{path}: {_altered(offset)}")
        offset += len(piece)
    if offset != len(data):
        raise IntegrityError(f"{path}: {_altered(offset)}")
    return members


def _altered(offset: int) -> str:
    return (
        f"the container is not in canonical form (first difference at byte {offset:,}); "
        "the file was altered, copy it again from where it was built"
    )


def _read_once(path: Path) -> bytes:
    """The whole file; never blocks on a pipe, never reads more than the size it was checked for."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise BundleError(f"{path}: is not a file; give the path of an .edge file")
            if found.st_size > MAX_FILE_BYTES:
                raise BundleError(f"{path}: got {found.st_size:,} bytes, expected at most {MAX_FILE_BYTES:,}")
            data = file.read(found.st_size + 1)
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({error.strerror or error}); give the path of an .edge file"
        ) from error
    if len(data) != found.st_size:
        raise BundleError(f"{path}: changed while it was read; wait until it is written, then try again")
    return data


def _parse(data: bytes, path: Path) -> dict[str, bytes]:
    """Members by the zip's own directory, each bounded by the size of the file it came from."""
    if data[-_END_BYTES:][:4] != _END:  # else zipfile would go on looking, and find that of golden.npz
        raise BundleError(
            f"{path}: is not a whole .edge file ({len(data):,} bytes without an end record); copy or build it again, "
            "it may have been cut short"
        )
    try:
        (directory_bytes,) = struct.unpack_from("<L", data, len(data) - _END_BYTES + 12)
        if data[-_END_BYTES - _END_64_BYTES :][:4] == _END_64 or directory_bytes > MAX_DIRECTORY_BYTES:
            raise BundleError(
                f"{path}: has a directory of {directory_bytes:,} bytes, or one with 64-bit fields, expected at most "
                f"{MAX_DIRECTORY_BYTES:,} without; the file was altered, copy it again"
            )
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
            if len({entry.filename for entry in entries}) != len(entries):
                raise IntegrityError(f"{path}: holds two members of one name; the file was altered, copy it again")
            _check_names([entry.filename for entry in entries], str(path))
            for entry in entries:
                stored = entry.compress_type == zipfile.ZIP_STORED and entry.flag_bits == 0
                if not stored or entry.file_size != entry.compress_size or entry.file_size > len(data):
                    raise IntegrityError(
                        f"{path}: member {entry.filename!r} is not stored plainly; the file was packed again by "
                        "another program, copy the original"
                    )
            if sum(entry.file_size for entry in entries) > len(data):
                raise IntegrityError(f"{path}: its members overlap; the file was altered, copy it again")
            return {entry.filename: _member(archive, entry, path) for entry in entries}
    except (zipfile.BadZipFile, EOFError, struct.error, ValueError, NotImplementedError) as error:
        raise BundleError(
            f"{path}: is not a whole .edge file ({str(error).rstrip('.')}; {len(data):,} bytes); "
            "copy or build it again, it may have been cut short"
        ) from error


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> bytes:
    try:
        return archive.read(entry)
    except zipfile.BadZipFile as error:
        raise IntegrityError(
            f"{path}: member {entry.filename!r} differs from its checksum ({error}); the file was altered, copy it again"
        ) from error


def _check_names(names: list[str], where: str) -> None:
    if MANIFEST not in names:
        raise BundleError(f"{where}: has no {MANIFEST}, so it is not an edgeneuro engine; give an .edge file")
    if len(names) > MAX_MEMBERS:
        raise BundleError(f"{where}: got {len(names)} members, expected at most {MAX_MEMBERS}")
    for name in names:
        if len(name) > MAX_NAME_CHARS or not _NAME.fullmatch(name):
            raise BundleError(
                f"{where}: member name {name[:MAX_NAME_CHARS]!r} is refused; expected a relative path of ASCII letters, "
                f"digits, '.', '_' and '-', at most {MAX_NAME_CHARS} long"
            )


def _pieces(members: Mapping[str, bytes]) -> Iterator[bytes]:
    """The file from front to back: each local header and its content, the directory, the end record."""
    directory, offset = [], 0
    for name in sorted(members, key=lambda name: (name != MANIFEST, name)):
        data, encoded = members[name], name.encode("ascii")
        # version needed, flags, method 0 = stored, time, date, CRC-32, two sizes, lengths of name and extra field
        common = (_VERSION, 0, 0, _TIME, _DATE, zlib.crc32(data), len(data), len(data), len(encoded), 0)
        header = struct.pack("<4s5H3L2H", b"PK\3\4", *common) + encoded
        yield header
        yield data
        # then lengths of comment, disk number, internal attributes, external attributes, offset of the local header
        entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", _MADE_ON_UNIX, *common, 0, 0, 0, _ATTRIBUTES, offset)
        directory.append(entry + encoded)
        offset += len(header) + len(data)
    listing = b"".join(directory)
    yield listing
    count = len(directory)
    yield struct.pack("<4s4H2LH", _END, 0, 0, count, count, len(listing), offset, 0)
