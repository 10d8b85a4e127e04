"""Arrays from .npy and .npz: numbers come back as they were, everything else is refused before it costs memory."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.data import arrays, open_data
from edgeneuro.data.arrays import decode_npy, decode_npz, encode_npz, read_arrays
from edgeneuro.data.describe import summarise
from edgeneuro.data.leakage import refuse_test_frames
from edgeneuro.errors import DataError, FrameError
from edgeneuro.spec import Array


def npy(array: Array) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npz(**named: Array) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in named.items():
            archive.writestr(f"{name}.npy", npy(array))
    return file.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array(7, np.int64),
        np.zeros((0, 4), np.uint8),
        np.array([True, False]),
        np.arange(3, dtype=">i4"),
    ],
    ids=["float", "column-major", "one number", "empty", "bool", "big-endian"],
)
def test_an_array_comes_back_as_it_was(array: Array) -> None:
    back = decode_npy(npy(array), "x.npy")
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype.newbyteorder("=") and back.flags.writeable


def test_named_arrays_come_back_in_order(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(npz(b=np.ones(2), a=np.zeros((1, 3), np.int32)))
    found = read_arrays(tmp_path / "x.npz")
    assert isinstance(found, dict)
    assert [(name, array.shape, str(array.dtype)) for name, array in found.items()] == [
        ("b", (2,), "float64"),
        ("a", (1, 3), "int32"),
    ]


def test_what_is_written_is_read_back_whatever_its_name() -> None:
    named = {"file": np.ones((2, 3), np.float32), "allow_pickle": np.array(3), "a/b": np.arange(4)}
    back = decode_npz(encode_npz(named), "x.npz")
    assert list(back) == list(named)
    for name, array in named.items():
        np.testing.assert_array_equal(back[name], array, strict=True)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", npy(np.ones(3)), npz(a=np.ones(300))[:-40]])
def test_what_is_no_whole_archive_is_refused(content: bytes) -> None:
    with pytest.raises(FrameError, match=r"x\.npz: is not a readable \.npz archive"):
        decode_npz(content, "x.npz")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01", npz(a=np.ones(3)), npy(np.ones(300))[:-40]])
def test_what_is_no_whole_array_is_refused(content: bytes) -> None:
    with pytest.raises(FrameError, match=r"x\.npy: is not a readable \.npy array"):
        decode_npy(content, "x.npy")


def test_python_objects_are_never_loaded() -> None:
    objects = np.array([{"a": 1}], object)
    with pytest.raises(FrameError, match=r"elements of object.*numbers only"):
        decode_npy(npy(objects), "x.npy")
    with pytest.raises(FrameError, match=r"elements of object.*numbers only"):
        decode_npz(npz(a=objects), "x.npz")


def test_a_header_that_promises_more_than_the_file_holds_costs_no_memory() -> None:
    huge = npy(np.ones(3)).replace(b"(3,), }         ", b"(3000000000,), }")
    assert b"3000000000" in huge
    with pytest.raises(FrameError, match=r"its header says \(3000000000,\) of float64, but it has 152 bytes"):
        decode_npy(huge, "x.npy")


def test_an_archive_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "MAX_BYTES", 10_000)
    bomb = npz(a=np.zeros(10_000))
    assert len(bomb) < 1000
    with pytest.raises(FrameError, match="holds 1 arrays, expected 1 to 64 of 10,000 bytes in all"):
        decode_npz(bomb, "x.npz")


def test_an_archive_without_arrays_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "no arrays")
    with pytest.raises(FrameError, match="holds 0 arrays"):
        decode_npz(file.getvalue(), "x.npz")


# --- folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        np.savez(
            tmp_path / f"s{number}.npz", allow_pickle=False, x=np.full((1, 4), number, np.float32), n=np.array(number)
        )
    return tmp_path


def test_a_folder_of_archives_is_a_data_set_of_arrays(folder: Path) -> None:
    data = open_data(str(folder))
    assert (len(data), data.classes) == (3, ())
    item = data.item(data.samples[2])
    assert isinstance(item, dict) and item["n"] == 2
    with pytest.raises(FrameError, match=r"s2\.npz: files ending in '\.npz' cannot be read"):
        data.read(data.samples[2])


def test_archives_are_counted_by_the_shapes_they_hold(folder: Path) -> None:
    summary = summarise(open_data(str(folder)))
    assert summary.sizes == {"x 1x4, n scalar": 3}
    assert summary.pixels == {"x float32, n int64": 3}


def test_archives_that_are_also_tested_on_are_found_by_content(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copied = tmp_path_factory.mktemp("copied")
    np.savez_compressed(copied / "other name.npz", n=np.array(1), x=np.full((1, 4), 1, np.float32))
    tested = open_data(str(folder))
    with pytest.raises(DataError, match=r"other name\.npz = s1\.npz"):
        refuse_test_frames(open_data(str(copied)), tested)


def test_an_npy_is_a_frame_or_an_array_as_the_network_takes_it(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((40, 50, 1), np.uint8))
    data = open_data(str(tmp_path))
    assert data.read(data.samples[0]).shape == (40, 50)
    item = data.item(data.samples[0])
    assert isinstance(item, np.ndarray) and item.shape == (40, 50, 1)
