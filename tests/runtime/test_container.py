"""The one byte form of a bundle's container."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeneuro.errors import BundleError, EdgeNeuroError, IntegrityError
from edgeneuro.runtime import container
from edgeneuro.runtime.container import read_container, serialise

MEMBERS = {"manifest.json": b"{}\n", "model.onnx": b"network", "graphs/onnxruntime.int8.onnx": b"", "golden.npz": b"\0"}
names = st.from_regex(r"[a-z0-9_][a-z0-9._-]{0,8}(/[a-z0-9_][a-z0-9._-]{0,8})?", fullmatch=True)


def stored(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def zipped(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


@given(st.dictionaries(names, st.binary(max_size=40), max_size=5))
def test_whatever_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, members: dict[str, bytes]) -> None:
    members["manifest.json"] = b"{}"
    path = stored(tmp_path_factory.mktemp("container") / "a.edge", serialise(members))
    assert read_container(path) == members


def test_the_order_members_were_given_in_leaves_no_trace() -> None:
    assert serialise(MEMBERS) == serialise(dict(reversed(MEMBERS.items())))
    assert serialise(MEMBERS) != serialise({**MEMBERS, "golden.npz": b"\1"})


def test_any_zip_program_reads_it_and_finds_the_manifest_first() -> None:
    with zipfile.ZipFile(BytesIO(serialise(MEMBERS))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", "golden.npz", "graphs/onnxruntime.int8.onnx", "model.onnx"]
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.read("model.onnx") == b"network"


def test_bytes_are_those_of_the_first_release() -> None:
    """Devices in the field compare bytes: this form cannot change without a new schema."""
    assert serialise({"manifest.json": b"{}\n"}).hex() == (
        "504b03041400000000000000210006b0a1dd03000000030000000d000000"
        + b"manifest.json{}\n".hex()
        + "504b010214031400000000000000210006b0a1dd03000000030000000d0000000000000000000000a48100000000"
        + b"manifest.json".hex()
        + "504b050600000000010001003b0000002e0000000000"
    )


@pytest.mark.parametrize("kept", [0, 1, 3, 30, 100, 0.5, -100, -22, -1])
def test_a_file_cut_short_is_not_a_whole_edge_file(tmp_path: Path, kept: float) -> None:
    whole = serialise(MEMBERS)
    path = stored(tmp_path / "cut.edge", whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(BundleError, match=r"cut\.edge: is not a whole \.edge file .* cut short"):
        read_container(path)


def test_every_single_changed_byte_is_refused(tmp_path: Path) -> None:
    whole, path = serialise(MEMBERS), tmp_path / "edited.edge"
    for position in range(len(whole)):
        for change in (0x01, 0x80, 0xFF):
            edited = bytearray(whole)
            edited[position] ^= change
            path.write_bytes(edited)
            with pytest.raises(EdgeNeuroError):
                read_container(path)


whole = serialise(MEMBERS)
plain = sorted(MEMBERS.items(), key=lambda member: (member[0] != "manifest.json", member[0]))
ALTERED = {
    "bytes after the end": whole + b"\0",
    "bytes before the start": b"\0" + whole,
    "a comment": whole[:-2] + b"\1\0!",
    "zipped again by a library": zipped(plain),
    "compressed": zipped(plain, zipfile.ZIP_DEFLATED),
    "another order": zipped(plain[::-1]),
    "a gap between members": whole.replace(b"network", b"network\0", 1),
}


@pytest.mark.parametrize("data", ALTERED.values(), ids=list(ALTERED))
def test_the_same_members_in_any_other_form_are_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises((IntegrityError, BundleError), match=r"altered|packed again|canonical|cut short"):
        read_container(stored(tmp_path / "other.edge", data))


def overlapping(count: int, size: int) -> bytes:
    """A zip whose directory names one and the same member `count` times, as a bomb does, under names of equal length."""
    data = zipped([("manifest.json", b"{}"), ("m00", bytes(size))])
    start, end = data.rindex(b"PK\1\2"), data.rindex(b"PK\5\6")
    entries = [data[start:end].replace(b"m00", b"m%02d" % number) for number in range(count)]
    directory = data[data.index(b"PK\1\2") : start] + b"".join(entries)
    counts = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count + 1, count + 1, len(directory), data.index(b"PK\1\2"), 0)
    return data[: data.index(b"PK\1\2")] + directory + counts


@pytest.mark.parametrize("count", [2, 90])
def test_members_that_share_their_bytes_are_refused_before_any_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(container, "_member", lambda *given: pytest.fail("a member was read"))
    path = stored(tmp_path / "bomb.edge", overlapping(count, 10_000))
    with pytest.raises(IntegrityError, match="its members overlap"):
        read_container(path)


def of_64_bit(directory_bytes: int) -> bytes:
    """A directory whose size only the 64-bit end record tells (APPNOTE 4.3.14 and 4.3.15); readers follow that one."""
    body, end = whole[:-22], whole[-22:]
    (offset,) = struct.unpack_from("<L", end, 16)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 4, 4, directory_bytes, offset)
    return body + record + struct.pack("<4sLQL", b"PK\6\7", 0, len(body), 1) + end


def large_directory() -> bytes:
    """More entries than a bundle may have, for a reader to keep in memory."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 788, 20, *(0,) * 14)
    count = container.MAX_DIRECTORY_BYTES // len(entry) + 1
    return entry * count + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, count * len(entry), 0, 0)


@pytest.mark.parametrize("data", [large_directory(), of_64_bit(200)], ids=["large", "64-bit"])
def test_a_directory_without_bounds_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(zipfile, "ZipFile", lambda *given: pytest.fail("the directory was read"))
    with pytest.raises(BundleError, match=r"directory of [0-9,]+ bytes, .* expected at most 44,544"):
        read_container(stored(tmp_path / "bomb.edge", data))


def test_the_fullest_bundle_stays_inside_the_bounds(tmp_path: Path) -> None:
    full = {f"{number:03d}" + "n" * (container.MAX_NAME_CHARS - 3): b"" for number in range(container.MAX_MEMBERS - 1)}
    members = {"manifest.json": b"{}", **full}
    assert read_container(stored(tmp_path / "full.edge", serialise(members))) == members


def test_a_member_that_unpacks_to_more_than_the_file_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "_member", lambda *given: pytest.fail("a member was read"))
    bomb = zipped([("manifest.json", b"{}"), ("m", bytes(10_000_000))], zipfile.ZIP_DEFLATED)
    assert len(bomb) < 20_000
    with pytest.raises(IntegrityError, match=r"is not stored plainly"):
        read_container(stored(tmp_path / "bomb.edge", bomb))


def test_a_link_is_refused(tmp_path: Path) -> None:
    buffer, link = BytesIO(), zipfile.ZipInfo("model.onnx")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("manifest.json"), b"{}")
        archive.writestr(link, b"/etc/passwd")
    with pytest.raises(IntegrityError, match="canonical"):
        read_container(stored(tmp_path / "link.edge", buffer.getvalue()))
    plainly = serialise({"manifest.json": b"{}", "model.onnx": b"/etc/passwd"})
    attributes = struct.pack("<L", (stat.S_IFREG | 0o644) << 16)
    assert plainly.count(attributes) == 2
    linked = plainly.replace(attributes, struct.pack("<L", (stat.S_IFLNK | 0o777) << 16))
    with pytest.raises(IntegrityError, match="canonical"):
        read_container(stored(tmp_path / "link.edge", linked))


def test_a_name_that_differs_between_the_member_and_the_directory_is_refused(tmp_path: Path) -> None:
    whole = serialise(MEMBERS)
    with pytest.raises((BundleError, IntegrityError)):
        read_container(stored(tmp_path / "names.edge", whole.replace(b"model.onnx", b"other.onnx", 1)))


def test_a_second_directory_hides_nothing(tmp_path: Path) -> None:
    """Two whole files one after the other: readers differ in which they see."""
    other = serialise({**MEMBERS, "model.onnx": b"another network"})
    for data in (serialise(MEMBERS) + other, other + serialise(MEMBERS)):
        with pytest.raises((BundleError, IntegrityError)):
            read_container(stored(tmp_path / "two.edge", data))


def test_a_second_member_of_the_same_name_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zipped([*plain, ("model.onnx", b"another network")])
    with pytest.raises(IntegrityError, match="two members of one name"):
        read_container(stored(tmp_path / "twice.edge", data))


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a/../b", "a//b", "C:\\x", ".hidden", "a\nb", "ä", "", "a" * 129]
)
def test_names_that_could_leave_the_container_are_neither_written_nor_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="is refused"):
        serialise({"manifest.json": b"{}", name: b""})
    with pytest.raises(BundleError):
        read_container(stored(tmp_path / "name.edge", zipped([("manifest.json", b"{}"), (name, b"")])))


def test_a_zip_without_manifest_is_not_an_engine(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        read_container(stored(tmp_path / "photos.zip", zipped([("photo.png", b"")])))


def test_too_many_members_are_refused() -> None:
    with pytest.raises(BundleError, match="got 257 members, expected at most 256"):
        serialise({"manifest.json": b"{}"} | {f"m{i}": b"" for i in range(256)})


def test_a_file_larger_than_the_bound_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "MAX_FILE_BYTES", 100)
    with pytest.raises(BundleError, match="expected at most 100"):
        read_container(stored(tmp_path / "large.edge", serialise(MEMBERS)))


def test_missing_files_folders_and_pipes_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"none\.edge: cannot be read \(No such file"):
        read_container(tmp_path / "none.edge")
    with pytest.raises(BundleError, match=r"is not a file|cannot be read"):
        read_container(tmp_path)
    os.mkfifo(tmp_path / "pipe.edge")
    with pytest.raises(BundleError, match="is not a file"):
        read_container(tmp_path / "pipe.edge")
