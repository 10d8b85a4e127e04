"""The vault gives back what was kept there, or a reason; nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from edgeneuro.runtime.backends.trt import vault as module
from edgeneuro.runtime.backends.trt.vault import Vault

needs_posix = pytest.mark.skipif(os.name != "posix", reason="permissions and owners are POSIX's")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "cache")


def content_of(vault: Vault, name: str) -> bytes:
    payload, reason = vault.read(name)
    assert payload is not None and reason == ""
    return bytes(payload)


def test_what_was_kept_comes_back(vault: Vault) -> None:
    assert vault.write("a.engine", b"first", b"", b"second") == ""
    assert content_of(vault, "a.engine") == b"firstsecond"


def test_what_was_never_kept_needs_no_reason(vault: Vault) -> None:
    assert vault.read("a.engine") == (None, "")
    vault.write("b.engine", b"x")
    assert vault.read("a.engine") == (None, "")


def test_every_flipped_byte_is_refused(vault: Vault) -> None:
    vault.write("a.engine", b"engine")
    path = vault.entries / "a.engine"
    good = path.read_bytes()
    for position in range(len(good)):
        path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        payload, reason = vault.read("a.engine")
        assert payload is None and "changed or damaged" in reason, position
    path.write_bytes(good)
    assert content_of(vault, "a.engine") == b"engine"


@pytest.mark.parametrize("cut", (0, 5, 18, 40, -1))
def test_a_file_cut_short_is_refused(vault: Vault, cut: int) -> None:
    vault.write("a.engine", b"engine")
    path = vault.entries / "a.engine"
    path.write_bytes(path.read_bytes()[:cut])
    assert "changed or damaged" in vault.read("a.engine")[1]


def test_an_entry_under_the_name_of_another_is_refused(vault: Vault) -> None:
    vault.write("a.engine", b"of a")
    (vault.entries / "a.engine").rename(vault.entries / "b.engine")
    assert "changed or damaged" in vault.read("b.engine")[1]


def test_an_entry_of_another_machine_is_refused(vault: Vault, tmp_path: Path) -> None:
    other = Vault(tmp_path / "other")
    other.write("a.engine", b"theirs")
    vault.write("b.engine", b"ours")
    (other.entries / "a.engine").rename(vault.entries / "a.engine")
    assert "changed or damaged" in vault.read("a.engine")[1]


def test_without_its_key_an_entry_is_refused_until_it_is_kept_again(vault: Vault) -> None:
    vault.write("a.engine", b"engine")
    (vault.entries.parent / "engines.key").unlink()
    assert "key" in vault.read("a.engine")[1]
    assert vault.write("a.engine", b"engine") == ""
    assert content_of(vault, "a.engine") == b"engine"


@needs_posix
def test_key_and_folder_are_private_to_their_user(vault: Vault) -> None:
    vault.write("a.engine", b"x")
    key = vault.entries.parent / "engines.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(vault.entries.stat().st_mode) == 0o700
    assert len(key.read_bytes()) == 32
    assert [path.name for path in vault.entries.parent.iterdir() if path.name.startswith(".")] == []


@needs_posix
@pytest.mark.parametrize("mode", (0o720, 0o702, 0o777))
def test_a_folder_that_others_may_write_to_is_refused(vault: Vault, mode: int) -> None:
    vault.write("a.engine", b"x")
    vault.entries.chmod(mode)
    assert "open to others" in vault.read("a.engine")[1]
    assert "open to others" in vault.write("a.engine", b"y")


@needs_posix
def test_a_key_that_others_may_read_is_refused(vault: Vault) -> None:
    vault.write("a.engine", b"x")
    (vault.entries.parent / "engines.key").chmod(0o640)
    assert "open to others" in vault.read("a.engine")[1]
    assert "open to others" in vault.write("a.engine", b"y")


@needs_posix
def test_what_belongs_to_another_user_is_refused(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.write("a.engine", b"x")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "another user" in vault.read("a.engine")[1]
    assert "another user" in vault.write("a.engine", b"y")


@needs_posix
def test_links_are_not_followed(vault: Vault, tmp_path: Path) -> None:
    vault.write("a.engine", b"x")
    path = vault.entries / "a.engine"
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    payload, reason = vault.read("a.engine")
    assert payload is None and "a.engine" in reason
    vault.entries.rename(tmp_path / "elsewhere")
    vault.entries.symlink_to(tmp_path / "elsewhere")
    assert "is a link" in vault.read("a.engine")[1]
    assert "is a link" in vault.write("a.engine", b"y")


@needs_posix
def test_a_pipe_is_refused_without_waiting_for_its_other_end(vault: Vault) -> None:
    vault.write("a.engine", b"x")
    (vault.entries / "a.engine").unlink()
    os.mkfifo(vault.entries / "a.engine")
    assert "no regular file" in vault.read("a.engine")[1]


def test_an_entry_beyond_the_limit_is_not_read(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.write("a.engine", b"x" * 100)
    monkeypatch.setattr(module, "MAX_ENTRY_BYTES", 100)
    assert "expected at most 100" in vault.read("a.engine")[1]


def test_where_nothing_can_be_written_the_reason_is_given(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert "file" in Vault(blocked).write("a.engine", b"x")
