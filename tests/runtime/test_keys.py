"""Key files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from edgeneuro.errors import InputError, OutputError
from edgeneuro.runtime.keys import read_private_key, read_public_key, write_key_pair
from edgeneuro.runtime.signature import key_id, public_of


def private_file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def test_a_pair_reads_back_and_belongs_together(tmp_path: Path) -> None:
    private, public, key = write_key_pair(tmp_path / "keys", "clinic")
    assert (private.name, public.name) == ("clinic.key", "clinic.pub")
    assert public_of(read_private_key(private)) == read_public_key(public)
    assert key == key_id(read_public_key(public))
    assert private.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert public.read_text().startswith("-----BEGIN PUBLIC KEY-----")
    assert write_key_pair(tmp_path, "clinic")[2] != key


def test_a_private_key_is_its_owners_from_the_first_byte_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    write = Path.write_bytes

    def watched(path: Path, data: bytes) -> int:
        modes.append((path.name.split(".")[2], stat.S_IMODE(path.stat().st_mode)))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", watched)
    before = os.umask(0)
    try:
        private, public, _ = write_key_pair(tmp_path, "clinic")
    finally:
        os.umask(before)
    assert ("key", 0o600) in modes
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o666, "as the umask says"


@pytest.mark.parametrize("there", ["clinic.key", "clinic.pub"])
def test_a_key_is_not_replaced_unless_it_is_asked_for(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_bytes(b"precious")
    with pytest.raises(OutputError, match=rf"{there}: exists already; give --force"):
        write_key_pair(tmp_path, "clinic")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"precious"]
    private, _, _ = write_key_pair(tmp_path, "clinic", force=True)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    read_private_key(private)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    private, _, _ = write_key_pair(tmp_path, "clinic")
    private.chmod(mode)
    with pytest.raises(InputError, match=rf"clinic\.key: has mode {mode:o}, .* run: chmod 600 .*clinic\.key"):
        read_private_key(private)


def test_what_is_no_private_key_is_named(tmp_path: Path) -> None:
    _, public, _ = write_key_pair(tmp_path, "clinic")
    mine = Ed25519PrivateKey.generate()
    locked = mine.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data, said in (
        (b"", "is no private key"),
        (public.read_bytes(), "is no private key"),
        (locked, "is no private key .*encrypted"),
        (other, "is another kind of key"),
        (b"x" * 5000, "is too large"),
    ):
        with pytest.raises(InputError, match=rf"odd\.key: {said}.*expected a NAME\.key"):
            read_private_key(private_file(tmp_path / "odd.key", data))
    with pytest.raises(InputError, match=r"none\.key: cannot be read \(No such file"):
        read_private_key(tmp_path / "none.key")
    with pytest.raises(InputError, match=r"is not a file|cannot be read"):
        read_private_key(tmp_path)


def test_a_private_key_given_as_the_public_one_is_named(tmp_path: Path) -> None:
    private, _, _ = write_key_pair(tmp_path, "clinic")
    with pytest.raises(InputError, match=r"clinic\.key: is no public key .* expected a NAME\.pub"):
        read_public_key(private)
