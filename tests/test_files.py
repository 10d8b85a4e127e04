"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from edgeneuro.errors import OutputError
from edgeneuro.files import atomic_folder, atomic_path, canonical_json, refuse_existing, sha256, write_bytes, write_json


@pytest.fixture
def umask() -> Iterator[None]:
    """027: the group may read, others nothing."""
    before = os.umask(0o027)
    yield
    os.umask(before)


def raising(number: int) -> NoReturn:
    raise OSError(number, os.strerror(number))


def test_bytes_arrive_in_folders_that_did_not_exist(tmp_path: Path) -> None:
    write_bytes(tmp_path / "new" / "folder" / "file", b"content")
    assert (tmp_path / "new" / "folder" / "file").read_bytes() == b"content"


def test_an_existing_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "file"
    out.write_bytes(b"long before")
    write_bytes(out, b"after")
    assert out.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [out]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "file"
    out.write_bytes(b"old")
    with atomic_path(out) as temporary:
        temporary.write_bytes(b"ne")
        assert out.read_bytes() == b"old"
        assert temporary.parent == out.parent  # a rename is atomic within one file system only
        assert temporary.name.startswith(".") and temporary.suffix == ".part"
    assert out.read_bytes() == b"ne"


@pytest.mark.parametrize("old", [None, b"precious"])
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_exception_half_way_leaves_everything_as_it_was(
    tmp_path: Path, old: bytes | None, interruption: type[BaseException]
) -> None:
    out = tmp_path / "file"
    if old is not None:
        out.write_bytes(old)
    with pytest.raises(interruption), atomic_path(out) as temporary:
        temporary.write_bytes(b"half")
        raise interruption
    assert [path.read_bytes() for path in tmp_path.iterdir()] == ([] if old is None else [old])


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, r"file: the disk is full; nothing was written, free some space and run again"),
        (errno.EACCES, r"file: cannot be written \(Permission denied\); choose another --out"),
        (errno.EROFS, r"file: cannot be written \(Read-only file system\); choose another --out"),
    ],
)
@pytest.mark.parametrize("step", ["tempfile.mkstemp", "os.fsync", "pathlib.Path.replace"])
def test_a_refusal_of_the_system_at_any_step_is_one_sentence_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int, message: str
) -> None:
    out = tmp_path / "file"
    out.write_bytes(b"precious")
    monkeypatch.setattr(step, lambda *_, **__: raising(number))
    with pytest.raises(OutputError, match=message):
        write_bytes(out, b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"precious"]


def test_a_disk_that_fills_up_while_the_file_is_written_leaves_none(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the disk is full"), atomic_path(tmp_path / "file") as temporary:
        temporary.write_bytes(b"half")
        raising(errno.ENOSPC)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_or_a_file_for_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/out: cannot be written \((File exists|Not a directory)\)"):
        write_bytes(tmp_path / "file" / "out", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"folder: cannot be written \(Is a directory\)"):
        write_bytes(tmp_path / "folder", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_process_killed_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    out = tmp_path / "file"
    out.write_bytes(b"precious")
    script = (
        "import os, signal, sys; from pathlib import Path; from edgeneuro.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(out)], check=False).returncode == -signal.SIGKILL
    assert out.read_bytes() == b"precious"
    (left,) = set(tmp_path.iterdir()) - {out}
    assert left.name.startswith(".") and left.suffix == ".part"  # hidden, so no folder of frames takes it for one


@pytest.mark.usefixtures("umask")
def test_permissions_are_those_of_any_new_file_not_those_of_a_temporary_one(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert os.umask(0o027) == 0o027  # and the mask itself is as before


def test_a_folder_takes_its_place_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with atomic_folder(tmp_path / "a" / "set") as folder:
            (folder / content).write_text(content)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["set"]
    assert [path.name for path in (tmp_path / "a" / "set").iterdir()] == ["new"]


def test_a_folder_that_is_not_finished_leaves_the_old_one(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "set") as folder:
        (folder / "old").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "set") as folder:
        (folder / "new").write_text("new")
        raise KeyboardInterrupt
    with pytest.raises(OutputError, match="the disk is full"), atomic_folder(tmp_path / "set") as folder:
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "old"]


def test_force_alone_allows_to_replace(tmp_path: Path) -> None:
    refuse_existing(tmp_path / "absent", force=False)
    refuse_existing(tmp_path, force=True)
    with pytest.raises(OutputError, match="exists already; give --force to replace it, or another name"):
        refuse_existing(tmp_path, force=False)


def test_canonical_json_has_one_form_whatever_the_order_of_keys(tmp_path: Path) -> None:
    assert canonical_json({"b": [1, 0.1], "a": "µm"}) == '{\n  "a": "µm",\n  "b": [\n    1,\n    0.1\n  ]\n}\n'.encode()
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})
    write_json(tmp_path / "file", {"b": None})
    assert json.loads((tmp_path / "file").read_bytes()) == {"b": None}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_canonical_json_refuses_what_json_does_not_have(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file", {"x": value})
    assert list(tmp_path.iterdir()) == []


def test_sha256_is_that_of_the_standard() -> None:
    # FIPS 180-4, example "abc"
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
