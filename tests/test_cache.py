"""The user's cache folder, and records kept in it."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgeneuro.cache import cache_folder, entry_path, read_entry, write_entry


@dataclass(frozen=True, kw_only=True)
class Kept:
    number: int


def test_the_folder_is_the_platform_s_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("EDGENEURO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "edgeneuro"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, by the XDG specification
    assert cache_folder() == Path.home() / ".cache" / "edgeneuro"
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_what_was_kept_is_found_again_in_a_private_folder(tmp_path: Path) -> None:
    path = entry_path("room", "net", "some", tmp_path)
    assert read_entry(Kept, path) == (None, "")
    assert write_entry(path, Kept(number=3)) == ""
    assert read_entry(Kept, path) == (Kept(number=3), "")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b'{"number": "3"}', b"{}", b"\x80\x04K\x01.", b"\xff\xfe"])
def test_what_is_no_such_record_is_not_used_and_why_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "entry.json"
    path.write_bytes(content)
    found, why = read_entry(Kept, path)
    assert found is None
    assert why.startswith("the cached result cannot be read")


def test_a_name_never_leads_out_of_its_room(tmp_path: Path) -> None:
    paths = [entry_path("room", name, "some", tmp_path) for name in ("../a/b", ".._a_b", "a/b", "a:b")]
    assert len(set(paths)) == 4
    assert {path.parent for path in paths} == {tmp_path / "room"}
